"""The files load in the tools that DUIs are built with: Python, OpenSSL, Java."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from segur.pki.authority import TRUSTSTORE_PASSWORD, Authority
from segur.pki.material import Material

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python_reads_the_p12(client: Callable[..., Material]) -> None:
    material = client("insi_auto")
    bag = pkcs12.load_pkcs12(material.p12.read_bytes(), material.password.encode())
    assert bag.key is not None
    assert bag.cert is not None
    assert bag.cert.certificate.serial_number == material.serial
    assert len(bag.additional_certs) == 2


@needs_openssl
@pytest.mark.parametrize("role", ["insi_auto", "cps_sign"])
def test_openssl_verifies_the_chain_and_reads_the_p12(authority: Authority, client: Callable[..., Material], role: str) -> None:
    material = client(role)
    assert "OK" in run("openssl", "verify", "-x509_strict", "-CAfile", authority.ca_pem, material.cert_pem)
    read = run("openssl", "pkcs12", "-in", material.p12, "-passin", f"pass:{material.password}", "-nodes")
    assert read.count("BEGIN CERTIFICATE") == 3
    assert "BEGIN PRIVATE KEY" in read


@needs_openssl
def test_openssl_accepts_the_crl(authority: Authority, client: Callable[..., Material]) -> None:
    client("insi_revoked")
    path = authority.folder / "crl" / "organisations.crl"
    run("openssl", "crl", "-inform", "DER", "-in", path, "-CAfile", authority.ca_pem, "-noout")


@pytest.mark.needs_java
@pytest.mark.skipif(shutil.which("keytool") is None, reason="needs the keytool command of Java")
def test_java_reads_the_p12_and_the_truststore(authority: Authority, client: Callable[..., Material]) -> None:
    material = client("insi_auto")
    key = run("keytool", "-list", "-storetype", "PKCS12", "-keystore", material.p12, "-storepass", material.password)
    assert "PrivateKeyEntry" in key
    trust = run("keytool", "-list", "-storetype", "PKCS12", "-keystore", authority.truststore, "-storepass", TRUSTSTORE_PASSWORD)
    assert trust.count("trustedCertEntry") == 3
