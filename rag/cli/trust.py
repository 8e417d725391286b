"""Whose certificates a command trusts, and clients that do."""

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from rag.cli.running import Running, Target, is_local
from rag.errors import ConfigError, EngineUnavailable

if TYPE_CHECKING:
    import httpx2

_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def http_client(service: Running | Target, timeout: "httpx2.Timeout | float") -> "httpx2.Client":
    """A client for a service.

    Raises:
        ConfigError: what the setting ca_file names cannot be used.
    """
    import httpx2

    return httpx2.Client(trust_env=not is_local(service.url), timeout=timeout, verify=_trusted(service))


def unreachable(url: str, error: Exception) -> EngineUnavailable:
    """The error for a service that did not answer. error: of the client."""
    if _UNTRUSTED in str(error):
        return EngineUnavailable(
            f"The certificate of {url!r} is not trusted here ({error}). Name its authority by the setting ca_file "
            "(RAG_CA_FILE), or correct the URL."
        )
    return EngineUnavailable(
        f"No service answers at {url!r} ({error}). Start one with `rag serve`, or name another with --url."
    )


def _trusted(service: Running | Target) -> ssl.SSLContext | bool:
    if not service.url.startswith("https:"):
        return True  # nothing is to be trusted, and a context takes 20 ms
    if service.certificate:
        return _only(service.certificate)
    if isinstance(service, Target) and service.ca_file:
        context = ssl.create_default_context()
        _load(context, service.ca_file, "ca_file")
        return context
    return True


def _only(certificate: Path) -> ssl.SSLContext:
    """Trust in this certificate and no other, under whatever name it is met: the service of this machine says it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # it is one certificate, not the rules for authorities
    _load(context, certificate, "server.tls_certificate")
    return context


def _load(context: ssl.SSLContext, file: Path, setting: str) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:  # of which an error of OpenSSL is one
        raise ConfigError(
            f"The file {str(file)!r} ({setting}) cannot be used: {error.strerror or error}. "
            "Name a PEM file of certificates."
        ) from None
