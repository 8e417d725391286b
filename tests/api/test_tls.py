"""A service that speaks https itself: its certificate, one that is renewed, and commands that trust it."""

import datetime as dt
import json
import signal
import ssl
import time
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rag.api.tls import Certificate, certificate_of
from rag.cli.frame import run
from rag.errors import ConfigError
from rag.settings import ServerSettings

WITHIN_S = 60


class Authority:
    """A private one. `file` is its certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        own = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = dict.fromkeys(
            ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        ) | {"key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False}
        own = own.add_extension(x509.KeyUsage(**usage), critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str = "localhost", *, password: bytes | None = None) -> int:
        """The serial number of a new certificate, in cert.pem with its key in key.pem."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        certificate = made.sign(self._key, hashes.SHA256())
        (self._folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        (self._folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, how))
        return certificate.serial_number

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(hours=1))
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return builder.not_valid_after(now + dt.timedelta(days=1))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.issue()
    return made


def settings(folder: Path) -> ServerSettings:
    return ServerSettings(tls_certificate=folder / "cert.pem", tls_key=folder / "key.pem")


def serial(port: int) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_https_from_end_to_end(
    authority: Authority,
    data_dir: Path,
    vllm,
    rag_serve,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, old = authority.file.parent, serial_of(authority)
    config = folder / "tls.toml"
    config.write_text(f'[server]\ntls_certificate = "{folder / "cert.pem"}"\ntls_key = "{folder / "key.pem"}"\n')
    with rag_serve("--engine-url", vllm("tiny", reply="Yes."), "--config", str(config)) as service:
        url = json.loads((data_dir / "run" / "service.json").read_text())["url"]
        assert url.startswith("https://127.0.0.1:")
        port = int(url.rpartition(":")[2])
        assert serial(port) == old
        with pytest.raises(httpx2.TransportError):  # no word of http
            httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False)

        # On its own machine the service says itself by what it is known.
        assert run(["ask", "How long?", "--data-dir", str(data_dir), "--json"]) == 0
        assert run(["engines", "--data-dir", str(data_dir), "--json"]) == 0
        assert run(["status", "--data-dir", str(data_dir), "--json"]) == 0
        assert '"state": "ready"' in capfd.readouterr().out

        # From elsewhere it has a name, and an authority that is to be trusted.
        remote = [
            "ask",
            "How long?",
            "--url",
            f"https://localhost:{port}/v1",
            "--data-dir",
            str(folder / "none"),
            "--json",
        ]
        assert run(remote) == 3
        assert "ca_file (RAG_CA_FILE)" in capfd.readouterr().err
        monkeypatch.setenv("RAG_CA_FILE", str(authority.file))
        assert run(remote) == 0
        assert json.loads(capfd.readouterr().out)["answer"] == "Yes."
        monkeypatch.setenv("RAG_CA_FILE", str(folder / "key.pem"))
        assert run(remote) == 2
        assert "ca_file" in capfd.readouterr().err

        new = authority.issue()
        service.send_signal(signal.SIGHUP)
        end = time.monotonic() + WITHIN_S
        while serial(port) != new:
            assert time.monotonic() < end
            time.sleep(0.05)


def serial_of(authority: Authority) -> int:
    pem = (authority.file.parent / "cert.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).serial_number


def test_files_that_are_no_pair_are_told(authority: Authority, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    assert certificate_of(ServerSettings()) is None
    assert certificate_of(settings(tmp_path))
    with pytest.raises(ConfigError, match=r"server\.tls_key is not set"):
        certificate_of(ServerSettings(tls_certificate=cert))
    with pytest.raises(ConfigError, match=r"'.*none\.pem' \(server\.tls_key\) cannot be read: No such file"):
        Certificate(cert, tmp_path / "none.pem")
    before = cert.read_bytes()
    authority.issue()
    cert.write_bytes(before)
    with pytest.raises(ConfigError, match="does not belong to the certificate"):
        Certificate(cert, key)
    cert.write_text("not a certificate")
    with pytest.raises(ConfigError, match="Both must be PEM"):
        Certificate(cert, key)
    authority.issue(password=b"secret")
    with pytest.raises(ConfigError, match="without a password"):
        Certificate(cert, key)


def test_a_renewed_pair_is_read_and_a_broken_one_leaves_the_old(authority: Authority, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    assert not certificate.renew()
    authority.issue()
    assert certificate.renew()
    assert not certificate.renew()
    (tmp_path / "key.pem").write_text("half a fi")
    assert not certificate.renew()
    authority.issue()
    assert certificate.renew()
