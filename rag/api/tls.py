"""The service's own certificate, which may be renewed while it runs."""

import asyncio
import ssl
from pathlib import Path

import structlog

from rag.errors import ConfigError
from rag.settings import ServerSettings

_LOOK_S = 10.0

log = structlog.get_logger()


class Certificate:
    """A certificate with its key, in PEM files. `context` has what was read last, for new connections."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both.

        Raises:
            ConfigError: a file cannot be read, is no PEM, or the two do not belong together.
        """
        self._files = certificate, key
        self._seen = self._times()
        self.context = _context(*self._files)

    def renew(self) -> bool:
        """Whether the files have changed and were read again. What cannot be used is logged, and the old one stays.

        On the event loop: a handshake between the new certificate and its key would fail. It takes a millisecond.
        """
        times = self._times()
        if times == self._seen:
            return False
        self._seen = times
        try:
            _context(*self._files)  # first apart: a pair that does not match would break the one in use
            self.context.load_cert_chain(*self._files, password=_no_password)
        except (ConfigError, OSError) as error:
            log.error("certificate_not_renewed", reason=str(error))
            return False
        log.info("certificate_renewed", certificate=str(self._files[0]))
        return True

    async def keep_new(self) -> None:
        """Look for renewed files, for ever."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self.renew()

    def _times(self) -> tuple[int, ...]:
        try:
            return tuple(file.stat().st_mtime_ns for file in self._files)
        except OSError:
            return ()


def certificate_of(server: ServerSettings) -> Certificate | None:
    """The certificate that the settings name; None: they name none.

    Raises:
        ConfigError: as of `Certificate`, or only one of the two files is named.
    """
    if server.tls_certificate and server.tls_key:
        return Certificate(server.tls_certificate, server.tls_key)
    if server.tls_certificate or server.tls_key:
        missing = "server.tls_key" if server.tls_certificate else "server.tls_certificate"
        raise ConfigError(
            f"{missing} is not set, and TLS needs both a certificate and its key. Name both files, or none."
        )
    return None


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    for file, setting in ((certificate, "server.tls_certificate"), (key, "server.tls_key")):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"The file {str(file)!r} ({setting}) cannot be read: {error.strerror}. Correct its name or its rights."
            ) from None
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"The key {str(key)!r} does not belong to the certificate {str(certificate)!r}. Name the two that were "
                "made together (server.tls_certificate, server.tls_key)."
            ) from None
        raise ConfigError(
            f"The certificate {str(certificate)!r} with the key {str(key)!r} cannot be used: "
            f"{error.reason or error}. Both must be PEM, the key without a password, the certificate before its chain."
        ) from None
    return context


def _no_password() -> str:
    return ""  # without this OpenSSL would ask on the terminal
