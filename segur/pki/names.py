"""What can be asked of the authority: certification authorities, roles, flavours, and the subjects that result.

The shape is that of IGC-Santé as real clients see it (INSi: "Authentification", mode A; DMP: ORG AUTH_CLI, ORG SIGN
and CPS certificates; MSSanté: BAL APP), with two simplifications: one root for both branches, and no OCSP.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import NameOID

ORGANISATION = "SEGUR-SANDBOX"
UNIT = "BAC A SABLE SANS VALEUR"

_CAMPAIGN = re.compile(r"[a-z0-9-]{1,40}")
_LISTENER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_DNS = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?)*\.?")
_PLAIN_ID = re.compile(r"[A-Za-z0-9]{1,32}")


class PkiError(ValueError):
    """Something the authority can't issue; the message says which value and why."""


class Flavour(StrEnum):
    """What is wrong, on purpose, with a certificate; every other trait of it is right."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"  # listed by the CRL of its AC
    OTHER_CA = "other_ca"  # issued by an authority outside the trust files
    WRONG_HOST = "wrong_host"  # server only: subject and names are those of unrelated.example


class Usage(StrEnum):
    """Kind of certificate; decides keyUsage and extendedKeyUsage (DMP: ORG SIGN = digitalSignature and nonRepudiation)."""

    SERVER = "server"
    AUTH_CLI = "auth_cli"
    SIGN = "sign"
    CPS_AUTH = "cps_auth"
    CPS_SIGN = "cps_sign"


@dataclass(frozen=True, slots=True)
class Ac:
    """One certification authority.

    Attributes:
        slug: its name in files and URLs.
        cn: its common name.
        mark: first byte of every serial number it gives, so that a serial alone tells the AC (and its CRL).
        parent: slug of the AC that issued it, its own for a root.
        organisation: its O.
    """

    slug: str
    cn: str
    mark: int
    parent: str
    organisation: str = ORGANISATION

    @property
    def subject(self) -> x509.Name:
        """Return the subject, C first in DER."""
        return distinguished(("C", "FR"), ("O", self.organisation), ("OU", UNIT), ("CN", self.cn))


RACINE = Ac("racine", "TEST AC RACINE IGC-SANTE ELEMENTAIRE", 0x11, "racine")
ORGANISATIONS = Ac("organisations", "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", 0x21, "racine")
PERSONNES = Ac("personnes", "TEST AC IGC-SANTE FORT PERSONNES", 0x31, "racine")
AUTRE = Ac("autre", "TEST AUTRE AUTORITE", 0x41, "autre", "AUTRE-AUTORITE-SANDBOX")
TRUSTED = (RACINE, ORGANISATIONS, PERSONNES)
ACS = {ac.slug: ac for ac in (*TRUSTED, AUTRE)}


@dataclass(frozen=True, slots=True)
class PersonSubject:
    """Holder of a CPS-like certificate.

    Attributes:
        national_id: the CN (`8` + RPPS, `0` + ADELI, or the id of an employee in a structure).
        surname / given_name: SN and GN, upper case in real cards, written as given here.
        title: profession in words (`Médecin`).
    """

    national_id: str
    surname: str
    given_name: str
    title: str = "Médecin"


@dataclass(frozen=True, slots=True)
class Role:
    """What a client certificate is for; `cn` None means that the holder is a person."""

    cn: str | None
    usage: Usage
    flavour: Flavour = Flavour.VALID
    ac: str = ORGANISATIONS.slug


# INSI-AUTO and INSI-MANU are the only names INSi accepts; the other CNs are the sandbox's own choice.
ROLES: dict[str, Role] = {
    "insi_auto": Role("INSI-AUTO", Usage.AUTH_CLI),
    "insi_manu": Role("INSI-MANU", Usage.AUTH_CLI),
    "org_auth": Role("DMP-AUTH", Usage.AUTH_CLI),
    "org_sign": Role("DMP-SIGN", Usage.SIGN),
    "mss_client": Role("MSS-CLIENT", Usage.AUTH_CLI),
    "cps_auth": Role(None, Usage.CPS_AUTH, ac=PERSONNES.slug),
    "cps_sign": Role(None, Usage.CPS_SIGN, ac=PERSONNES.slug),
    "insi_expired": Role("INSI-AUTO", Usage.AUTH_CLI, Flavour.EXPIRED),
    "insi_revoked": Role("INSI-AUTO", Usage.AUTH_CLI, Flavour.REVOKED),
    "insi_other_ca": Role("INSI-AUTO", Usage.AUTH_CLI, Flavour.OTHER_CA, AUTRE.slug),
    "insi_wrong_cn": Role("INSI-TEST", Usage.AUTH_CLI),
}

_TYPES = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "title": NameOID.TITLE,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
    "CN": NameOID.COMMON_NAME,
}
# Longest values X.520 allows. A name too long is cut, an identifier never is: a cut identifier is another one.
_LONGEST = {"O": 64, "ST": 128, "title": 64, "SN": 64, "GN": 64}
_SHORT_NAMES = {NameOID.TITLE: "title", NameOID.SURNAME: "SN", NameOID.GIVEN_NAME: "GN", NameOID.SERIAL_NUMBER: "serialNumber"}


def distinguished(*parts: tuple[str, str]) -> x509.Name:
    """Build a distinguished name, DER order as given.

    Raises:
        PkiError: a part is empty or too long.
    """
    attributes = []
    for kind, value in parts:
        text = value.strip()[: _LONGEST.get(kind, 1000)]
        if not 1 <= len(text) <= _LONGEST.get(kind, 64):
            raise PkiError(f"subject {kind}={value!r}: expected 1 to 64 characters")
        try:
            attributes.append(x509.NameAttribute(_TYPES[kind], text))
        except ValueError as error:
            raise PkiError(f"subject {kind}={value!r}: {error}") from error
    return x509.Name(attributes)


def dn(value: x509.Name) -> str:
    """Write a name per RFC 4514 (last RDN of the DER first), with the short names OpenSSL uses."""
    return value.rfc4514_string(_SHORT_NAMES)


def campaign_name(value: str) -> str:
    """Return `value` if it can name a campaign, hence a folder.

    Raises:
        PkiError: anything but 1 to 40 of `a-z 0-9 -`.
    """
    if not _CAMPAIGN.fullmatch(value):
        raise PkiError(f"campaign name {value!r}: expected 1 to 40 of a-z, 0-9 and -")
    return value


def listener_name(value: str) -> str:
    """Return `value` if it can name a listener, hence a folder; raise PkiError otherwise."""
    if not _LISTENER.fullmatch(value):
        raise PkiError(f"listener name {value!r}: expected 1 to 64 of a-z, 0-9, _ . and -, a letter or digit first")
    return value


def folder_of(role: str, identifier: str) -> str:
    """Return a folder name for the material of a holder: readable where the identifier allows."""
    plain = _PLAIN_ID.fullmatch(identifier)
    return f"{role}-{identifier if plain else hashlib.sha256(identifier.encode()).hexdigest()[:16]}"


def alternative_names(values: Iterable[str]) -> list[x509.GeneralName]:
    """Turn host names and addresses into subjectAltName entries, each once, in order.

    Raises:
        PkiError: neither an address nor a host name.
    """
    found: dict[str, x509.GeneralName] = {}
    for value in values:
        text = value.strip().strip("[]")
        try:
            found.setdefault(text, x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            try:
                host = text.encode("idna").decode() if not text.isascii() else text
            except UnicodeError as error:
                raise PkiError(f"server name {value!r}: {error}") from error
            if len(host) > 253 or not _DNS.fullmatch(host):
                raise PkiError(f"server name {value!r} is neither a host name nor an address") from None
            found.setdefault(host.lower(), x509.DNSName(host.lower()))
    return list(found.values())


def client_subject(role: Role, structure_id: str, organisation: str, department: str, person: PersonSubject | None) -> x509.Name:
    """Build the subject of a client certificate.

    An organisation: `C=FR, ST=Paris (75), O=<raison sociale>, OU=<structure id>, CN=INSI-AUTO`; a person:
    `C=FR, title, SN, GN, CN=<national id>` (DER order; RFC 4514 writes it the other way round).

    Raises:
        PkiError: a person is missing, or a part is empty or too long.
    """
    if role.cn is not None:
        return distinguished(("C", "FR"), ("ST", department), ("O", organisation), ("OU", structure_id), ("CN", role.cn))
    if person is None:
        raise PkiError("a CPS certificate needs its holder (person)")
    return distinguished(
        ("C", "FR"), ("title", person.title), ("SN", person.surname), ("GN", person.given_name), ("CN", person.national_id)
    )
