"""The server as a process that speaks TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cli.conftest import Process

Start = Callable[..., Process]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, signed by itself, and its key; as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry of the tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


def test_tls_is_spoken_and_plain_http_is_not(
    start: Start, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    home = tmp_path / "home"
    options = ("--port", "0", "--tls-certificate", str(chain), "--tls-key", str(key))
    process = start("serve", *options, "--json", home=home)
    url = process.line().partition('"url"')[2].split('"')[1]
    assert url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(chain))
    with urllib.request.urlopen(url + "/healthz", context=trust) as answer:
        assert answer.status == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        urllib.request.urlopen(url.replace("https", "http") + "/healthz").close()
    listed = start("project", "list", "--json", home=home, SSL_CERT_FILE=str(chain)).finish()
    assert listed.code == 0, listed.err


def test_a_server_shows_a_link_until_somebody_can_log_in(start: Start, tmp_path: Path) -> None:
    process = start("serve", "--port", "0", "--json", home=tmp_path / "home")
    url = process.line().partition('"url"')[2].split('"')[1]
    urllib.request.urlopen(url + "/healthz").close()
    process.popen.terminate()
    shown = process.finish().err
    assert f"{url}/set-up?link=" in shown


@pytest.mark.parametrize("fault", ["missing", "swapped", "another's"])
def test_what_cannot_be_tls_is_said(
    start: Start, tmp_path: Path, certificate: tuple[Path, Path], fault: str
) -> None:
    chain, key = certificate
    match fault:
        case "missing":
            key.unlink()
        case "swapped":
            chain, key = key, chain
        case _:
            other = ec.generate_private_key(ec.SECP256R1())
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
            key.write_bytes(other.private_bytes(*form, serialization.NoEncryption()))
    options = ("--tls-certificate", str(chain), "--tls-key", str(key))
    answer = start("serve", "--port", "0", *options, home=tmp_path / "home").finish()
    assert answer.code == 1
    assert "TLS cannot be spoken" in answer.err
    assert "Traceback" not in answer.err
