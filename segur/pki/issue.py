"""Making certificates: names, keys and a moment in, a signed certificate out; no file is touched here."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from segur.pki.names import Ac, Flavour, Usage

CAMPAIGN_URN = "urn:segur-sandbox:campaign:"

# ACs begin long before anything they issue, so that an expired certificate is wrong for that one reason.
_AC_PAST, _AC_AHEAD = timedelta(days=3 * 365), timedelta(days=10 * 365)
_SERVER_PAST, _SERVER_AHEAD = timedelta(days=1), timedelta(days=396)
# Client certificates live three years like the real ones, and begin a year ago: a campaign's clock may stand in the past.
_CLIENT_PAST, _CLIENT_AHEAD = timedelta(days=365), timedelta(days=2 * 365)
_EXPIRED_FROM, _EXPIRED_TO = timedelta(days=400), timedelta(days=2)

_EXTENDED = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.AUTH_CLI: ExtendedKeyUsageOID.CLIENT_AUTH,
    Usage.CPS_AUTH: ExtendedKeyUsageOID.CLIENT_AUTH,
    Usage.SIGN: ExtendedKeyUsageOID.EMAIL_PROTECTION,
    Usage.CPS_SIGN: ExtendedKeyUsageOID.EMAIL_PROTECTION,
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An AC able to sign: its description, certificate and private key."""

    ac: Ac
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


def new_key() -> rsa.RSAPrivateKey:
    """Draw an RSA key of 2048 bits (tens of milliseconds)."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Write a private key as PKCS#8 PEM without password: the file's mode protects it."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def load_key(pem: bytes) -> rsa.RSAPrivateKey:
    """Read a key written by `key_pem`; the costly consistency check is left out, since we wrote it."""
    key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"expected an RSA key, found {type(key).__name__}")
    return key


def serial(ac: Ac) -> int:
    """Draw a serial number of 16 bytes, the first of which tells the AC."""
    return ac.mark << 120 | secrets.randbits(120)


def distribution_url(crl_url: str, ac: Ac) -> str:
    """Return where the CRL of `ac` is published."""
    return f"{crl_url.rstrip('/')}/{ac.slug}.crl"


def _key_usage(usage: Usage | None) -> x509.KeyUsage:
    """Return the keyUsage of a kind of certificate; None is an AC."""
    return x509.KeyUsage(
        digital_signature=usage is not None and usage is not Usage.CPS_SIGN,
        content_commitment=usage in {Usage.SIGN, Usage.CPS_SIGN},
        key_encipherment=usage is Usage.SERVER,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=usage is None,
        crl_sign=usage is None,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(
    subject: x509.Name,
    public: rsa.RSAPublicKey,
    issuer: tuple[Ac, x509.Name, rsa.RSAPrivateKey],
    period: tuple[datetime, datetime],
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    """Sign a certificate with the two key identifiers and the given extensions (value, critical)."""
    ac, issuer_name, key = issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(public)
        .serial_number(serial(ac))
        .not_valid_before(period[0])
        .not_valid_after(period[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, hashes.SHA256())


def _distribution(crl_url: str, ac: Ac) -> x509.CRLDistributionPoints:
    """Return the CDP extension that names the CRL of `ac`."""
    where = [x509.UniformResourceIdentifier(distribution_url(crl_url, ac))]
    return x509.CRLDistributionPoints([x509.DistributionPoint(where, None, None, None)])


def issue_ac(ac: Ac, key: rsa.RSAPrivateKey, parent: Issuer | None, crl_url: str, now: datetime) -> x509.Certificate:
    """Make the certificate of an AC; `parent` None makes it self-signed (and without CDP: a root has no CRL above it)."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=1 if parent is None and ac.slug == "racine" else 0), True),
        (_key_usage(None), True),
    ]
    if parent is not None:
        extensions.append((_distribution(crl_url, parent.ac), False))
    signer = (ac, ac.subject, key) if parent is None else (parent.ac, parent.certificate.subject, parent.key)
    return _signed(ac.subject, key.public_key(), signer, (now - _AC_PAST, now + _AC_AHEAD), extensions)


def issue_leaf(
    subject: x509.Name,
    public: rsa.RSAPublicKey,
    issuer: Issuer,
    usage: Usage,
    names: Sequence[x509.GeneralName],
    *,
    crl_url: str,
    now: datetime,
    flavour: Flavour = Flavour.VALID,
) -> x509.Certificate:
    """Make a server, client or signature certificate; `EXPIRED` is the one flavour that shows here."""
    if flavour is Flavour.EXPIRED:
        period = (now - _EXPIRED_FROM, now - _EXPIRED_TO)
    elif usage is Usage.SERVER:
        period = (now - _SERVER_PAST, now + _SERVER_AHEAD)
    else:
        period = (now - _CLIENT_PAST, now + _CLIENT_AHEAD)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(usage), True),
        (x509.ExtendedKeyUsage([_EXTENDED[usage]]), False),
        (_distribution(crl_url, issuer.ac), False),
    ]
    if names:
        extensions.append((x509.SubjectAlternativeName(names), False))
    return _signed(subject, public, (issuer.ac, issuer.certificate.subject, issuer.key), period, extensions)
