"""Reading any certificate for a journal: whatever can be said of it, and what is odd about it; never an exception."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from segur.pki.issue import CAMPAIGN_URN
from segur.pki.names import campaign_name, dn

# What the parser raises on odd certificates. Warning: strict programs turn the parser's remarks into exceptions.
ODD = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    """Return the first attribute of a type as text, empty when there is none."""
    for attribute in name.get_attributes_for_oid(oid):
        value = attribute.value
        return value if isinstance(value, str) else value.decode("utf-8", "replace")
    return ""


def _names(certificate: x509.Certificate) -> list[str]:
    """Return the subject's other names as text."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [dn(item.value) if isinstance(item, x509.DirectoryName) else str(item.value) for item in found]


def _key_usage(certificate: x509.Certificate) -> list[str]:
    """Return the key usages by their RFC 5280 names."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [word for attribute, word in _USAGES.items() if getattr(usage, attribute)]


def _extended_key_usage(certificate: x509.Certificate) -> list[str]:
    """Return the extended key usages by name, dotted where there is none."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [oid._name if oid._name != "Unknown OID" else oid.dotted_string for oid in usage]


def _key(certificate: x509.Certificate) -> str:
    """Return the kind and size of the public key."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__


_READERS: dict[str, tuple[object, Callable[[x509.Certificate], object]]] = {
    "subject": ("", lambda certificate: dn(certificate.subject)),
    "issuer": ("", lambda certificate: dn(certificate.issuer)),
    "serial": ("", lambda certificate: f"{certificate.serial_number:x}"),
    "cn": ("", lambda certificate: _first(certificate.subject, NameOID.COMMON_NAME)),
    "ou": ("", lambda certificate: _first(certificate.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)),
    "o": ("", lambda certificate: _first(certificate.subject, NameOID.ORGANIZATION_NAME)),
    "issuer_cn": ("", lambda certificate: _first(certificate.issuer, NameOID.COMMON_NAME)),
    "not_before": ("", lambda certificate: certificate.not_valid_before_utc.isoformat()),
    "not_after": ("", lambda certificate: certificate.not_valid_after_utc.isoformat()),
    "key": ("", _key),
    "key_usage": ((), _key_usage),
    "extended_key_usage": ((), _extended_key_usage),
    "names": ((), _names),
}


@lru_cache(maxsize=2048)
def _described(der: bytes) -> dict[str, object]:
    """Describe a certificate once."""
    found: dict[str, object] = {"fingerprint": hashlib.sha256(der).hexdigest()}
    problems: list[str] = []
    try:
        certificate = x509.load_der_x509_certificate(der)
    except ODD as error:
        found |= {field: list(empty) if isinstance(empty, tuple) else empty for field, (empty, _) in _READERS.items()}
        return found | {"campaign": None, "problem": f"unreadable certificate: {error}"}
    for field, (empty, reader) in _READERS.items():
        try:
            found[field] = reader(certificate)
        except ODD as error:
            found[field] = list(empty) if isinstance(empty, tuple) else empty
            problems.append(f"{field}: {error}")
    found["campaign"] = _campaign(found["names"])
    found["problem"] = "; ".join(problems) or None
    return found


def _campaign(names: object) -> str | None:
    """Return the campaign that a certificate of the sandbox names."""
    for name in names if isinstance(names, list) else []:
        if name.startswith(CAMPAIGN_URN):
            try:
                return campaign_name(name.removeprefix(CAMPAIGN_URN))
            except ValueError:
                return None
    return None


def describe(der: bytes) -> dict[str, object]:
    """Describe a certificate given in DER; cached, and never raises.

    Returns:
        `subject`, `issuer` (RFC 4514), `issuer_cn`, `serial` (hexadecimal), `cn`, `ou`, `o` (text, empty if absent),
        `not_before`, `not_after` (ISO 8601, UTC), `fingerprint` (SHA-256, hexadecimal), `key` (`RSA 2048`),
        `key_usage`, `extended_key_usage`, `names` (lists of text), `campaign` (the one the sandbox issued it for, as
        the certificate says: not proved here; or None), `problem` (what couldn't be read, or None).
    """
    found = _described(bytes(der))
    return {field: list(value) if isinstance(value, list) else value for field, value in found.items()}
