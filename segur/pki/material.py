"""Key material on disk: what a user pastes into a configuration, and how it is found again.

A folder of material holds `cert.pem` (the certificate alone), `chain.pem` (certificate, then its AC), `key.pem`
(PKCS#8, no password), `material.p12` (key, certificate and chain; password in `material.json`) and `material.json`.
Issuing again keeps key and password, so that a reader between two files never holds a pair that doesn't match.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from segur.pki.files import PUBLIC, make_folder, write_whole
from segur.pki.issue import key_pem, load_key
from segur.pki.names import dn

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


@dataclass(frozen=True, slots=True)
class Material:
    """A certificate and its private key, as files.

    Attributes:
        cert_pem: the certificate alone; what a server presents (real ones send no intermediate).
        key_pem: its private key, PKCS#8 without password, mode 0600.
        p12: both, with the chain up to the root; password `password`.
        chain_pem: the certificate followed by its AC.
        password: of the p12.
        fingerprint: SHA-256 of the DER, lower-case hexadecimal.
        serial: serial number.
        subject: RFC 4514 (`CN=INSI-AUTO,OU=…,O=…,ST=Paris (75),C=FR`).
    """

    cert_pem: Path
    key_pem: Path
    p12: Path
    chain_pem: Path
    password: str
    fingerprint: str
    serial: int
    subject: str

    def members(self) -> dict[str, str]:
        """Return the certificate members of the `env` object: `p12`, `password`, `cert_pem`, `key_pem`."""
        return {
            "p12": str(self.p12),
            "password": self.password,
            "cert_pem": str(self.cert_pem),
            "key_pem": str(self.key_pem),
        }


@dataclass(frozen=True, slots=True)
class Record:
    """A material and what was asked for it: `request` is compared to tell whether it still fits."""

    material: Material
    request: str
    not_after: datetime


def digest(*parts: str) -> str:
    """Return a short fingerprint of a request."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def read(folder: Path) -> Record | None:
    """Read the material of a folder; None when there is none, or when a file of it is missing or spoilt."""
    try:
        values = json.loads((folder / "material.json").read_bytes())
        record = Record(
            Material(
                folder / "cert.pem",
                folder / "key.pem",
                folder / "material.p12",
                folder / "chain.pem",
                values["password"],
                values["fingerprint"],
                int(values["serial"], 16),
                values["subject"],
            ),
            values["request"],
            datetime.fromisoformat(values["not_after"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = record.material
    return record if all(path.is_file() for path in (found.cert_pem, found.key_pem, found.p12, found.chain_pem)) else None


def existing_key(folder: Path) -> rsa.RSAPrivateKey | None:
    """Return the key of a folder, to be kept when its certificate is issued again."""
    try:
        return load_key((folder / "key.pem").read_bytes())
    except (OSError, ValueError, TypeError):
        return None


def write(
    folder: Path, key: rsa.RSAPrivateKey, certificate: x509.Certificate, chain: list[x509.Certificate], request: str
) -> Record:
    """Write the material of a folder, `material.json` last; `chain` goes from the issuing AC up to the root."""
    make_folder(folder)
    former = read(folder)
    password = former.material.password if former else secrets.token_urlsafe(12)
    pem = certificate.public_bytes(PEM)
    bag = pkcs12.serialize_key_and_certificates(
        folder.name.encode(), key, certificate, chain, serialization.BestAvailableEncryption(password.encode())
    )
    kept = existing_key(folder)
    if kept is None or kept.public_key() != key.public_key():
        write_whole(folder / "key.pem", key_pem(key))
    write_whole(folder / "cert.pem", pem, mode=PUBLIC)
    write_whole(folder / "chain.pem", pem + chain[0].public_bytes(PEM), mode=PUBLIC)
    write_whole(folder / "material.p12", bag)
    values = {
        "subject": dn(certificate.subject),
        "serial": f"{certificate.serial_number:x}",
        "fingerprint": hashlib.sha256(certificate.public_bytes(DER)).hexdigest(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "password": password,
        "request": request,
    }
    write_whole(folder / "material.json", json.dumps(values, indent=1, ensure_ascii=False).encode())
    record = read(folder)
    if record is None:
        raise OSError(f"the key material just written to {folder} can't be read again")
    return record
