"""Judging a certificate against the sandbox's ACs: a pure rule that returns what is wrong, in stable words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from segur.pki.describe import ODD


class Problem(StrEnum):
    """What is wrong with a certificate; the value is a stable code, `fr` and `en` say it in a sentence."""

    UNREADABLE = "unreadable"
    UNKNOWN_ISSUER = "unknown_issuer"
    FORGED = "forged"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NOT_A_SIGNATURE_CERTIFICATE = "not_a_signature_certificate"
    NOT_AN_AUTHENTICATION_CERTIFICATE = "not_an_authentication_certificate"

    @property
    def fr(self) -> str:
        """Say it in French."""
        return _SENTENCES[self][0]

    @property
    def en(self) -> str:
        """Say it in English."""
        return _SENTENCES[self][1]


_SENTENCES = {
    Problem.UNREADABLE: ("Le certificat est illisible.", "The certificate can't be read."),
    Problem.UNKNOWN_ISSUER: (
        "Le certificat n'est pas émis par une AC du bac à sable.",
        "The certificate was not issued by an authority of the sandbox.",
    ),
    Problem.FORGED: (
        "Le certificat nomme une AC du bac à sable qui ne l'a pas signé.",
        "The certificate names an authority of the sandbox that did not sign it.",
    ),
    Problem.NOT_YET_VALID: ("Le certificat n'est pas encore valide.", "The certificate is not valid yet."),
    Problem.EXPIRED: ("Le certificat est expiré.", "The certificate has expired."),
    Problem.REVOKED: ("Le certificat est révoqué (CRL de son AC).", "The certificate is revoked (CRL of its authority)."),
    Problem.NOT_A_SIGNATURE_CERTIFICATE: (
        "Ce n'est pas un certificat de signature (keyUsage nonRepudiation absent).",
        "This is not a signature certificate (no nonRepudiation keyUsage).",
    ),
    Problem.NOT_AN_AUTHENTICATION_CERTIFICATE: (
        "Ce n'est pas un certificat d'authentification client (extendedKeyUsage clientAuth absent).",
        "This is not a client authentication certificate (no clientAuth extendedKeyUsage).",
    ),
}


def _is_signature(certificate: x509.Certificate) -> bool:
    """Tell whether keyUsage allows signatures that commit their author (DMP: ORG SIGN, CPS signature)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
    except x509.ExtensionNotFound:
        return False


def _is_authentication(certificate: x509.Certificate) -> bool:
    """Tell whether extendedKeyUsage names clientAuth."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages


def judge(
    der: bytes,
    moment: datetime,
    acs: Mapping[str, x509.Certificate],
    is_revoked: Callable[[str, int], bool],
    *,
    signature: bool,
) -> list[Problem]:
    """Return what is wrong with a certificate at `moment` (aware); empty when it is right.

    Args:
        der: the certificate.
        moment: when it is used; a revocation counts whatever its date, because a campaign's clock may stand in the past.
        acs: slug to certificate, root included.
        is_revoked: asked with the slug of the issuing AC and a serial number.
        signature: a signature certificate is expected, else a client authentication one.
    """
    if moment.tzinfo is None:
        raise ValueError("the moment must carry its time zone")
    try:
        certificate = x509.load_der_x509_certificate(der)
        issuers = {slug: ac for slug, ac in acs.items() if ac.subject == certificate.issuer}
        fits = _is_signature(certificate) if signature else _is_authentication(certificate)
        number = certificate.serial_number
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ODD:
        return [Problem.UNREADABLE]
    found: list[Problem] = []
    slug = next((slug for slug, ac in issuers.items() if _signed_by(certificate, ac)), None)
    if slug is None:
        found.append(Problem.FORGED if issuers else Problem.UNKNOWN_ISSUER)
    else:
        begin, end = max(begin, acs[slug].not_valid_before_utc), min(end, acs[slug].not_valid_after_utc)
    if moment < begin:
        found.append(Problem.NOT_YET_VALID)
    if moment > end:
        found.append(Problem.EXPIRED)
    if slug is not None and is_revoked(slug, number):
        found.append(Problem.REVOKED)
    if not fits:
        found.append(Problem.NOT_A_SIGNATURE_CERTIFICATE if signature else Problem.NOT_AN_AUTHENTICATION_CERTIFICATE)
    return found


def _signed_by(certificate: x509.Certificate, ac: x509.Certificate) -> bool:
    """Tell whether `ac` signed the certificate."""
    try:
        certificate.verify_directly_issued_by(ac)
    except (InvalidSignature, *ODD):
        return False
    return True
