"""The authority of one sandbox: a folder of ACs, server certificates, and key material given to campaigns.

Layout of the folder (0700; every private key and p12 0600):

| file | what it is |
|---|---|
| `ca.pem` | trust bundle: `TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS` first, then the root, then the AC of persons |
| `ca.der` | the AC ORGANISATIONS alone, for clients that check the server's signature with the AC's key directly |
| `truststore.p12` | the same three for Java (password `changeit`) |
| `ac/`, `crl/` | certificate and key of each AC; its CRL |
| `servers/<listener>/…` | server certificates, one key per listener |
| `clients/<campaign>/<role>-<holder>/` | see `segur.pki.material` |

Server certificates are issued straight by the AC ORGANISATIONS (first of `ca.pem`), as in the gamme Élémentaire
Organisations, and no intermediate is needed with `ca.pem` or the truststore. A client that can take one file only and
insists on a self-signed root takes `ca.pem`; `ca.der` is not self-signed.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from segur.pki import material as files_of
from segur.pki.chain import Problem, judge
from segur.pki.describe import describe
from segur.pki.files import PUBLIC, locked, make_folder, stamp, write_whole
from segur.pki.issue import CAMPAIGN_URN, Issuer, distribution_url, issue_ac, issue_leaf, key_pem, load_key, new_key
from segur.pki.material import DER, PEM, Material, Record
from segur.pki.names import (
    ACS,
    AUTRE,
    ORGANISATION,
    ORGANISATIONS,
    ROLES,
    TRUSTED,
    Ac,
    Flavour,
    PersonSubject,
    PkiError,
    Role,
    Usage,
    alternative_names,
    campaign_name,
    client_subject,
    distinguished,
    dn,
    folder_of,
    listener_name,
)
from segur.pki.revocation import Revocations

TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105  # holds public certificates only; the password every Java tool tries first
_LOCAL = ("localhost", "*.localhost", "127.0.0.1", "::1")
_WRONG_HOST = "unrelated.example"
_MARGIN = timedelta(days=30)
_AC_MARGIN = timedelta(days=4 * 365)
_Stamp = tuple[int, int, int]


def _now() -> datetime:
    return datetime.now(UTC)


class Authority:
    """The certificate authority in a folder; make one with `Authority.open`. Safe to share between threads.

    Attributes:
        folder: where everything lies, absolute.
        ca_pem / ca_der / truststore: see the module.
        crl_url: where `published()` is reachable, up to and including `/crl`.
        public_names: host names and addresses put into every server certificate.
    """

    def __init__(self, folder: Path, public_names: Sequence[str], crl_url: str, clock: Callable[[], datetime]) -> None:
        self.folder = folder.resolve()
        self.public_names = tuple(public_names)
        self.crl_url = crl_url
        self.ca_pem = self.folder / "ca.pem"
        self.ca_der = self.folder / "ca.der"
        self.truststore = self.folder / "truststore.p12"
        self._clock = clock
        self._issuers: dict[str, Issuer] = {}
        self._acs: dict[str, x509.Certificate] = {}
        self._records: dict[Path, tuple[_Stamp, Record]] = {}
        self._revocations = Revocations(self.folder / "crl", self._issuer, clock)

    @classmethod
    def open(cls, folder: Path, *, public_names: Sequence[str], crl_url: str, clock: Callable[[], datetime] = _now) -> Authority:
        """Open the authority of a folder, made on first use; several processes may do it at once.

        An AC is issued again, with the same key and name, when `crl_url` is another one: what was issued before
        and trust files copied elsewhere go on working.

        Raises:
            PkiError: a public name that is neither host nor address.
            OSError: the folder can't be written.
        """
        alternative_names(public_names)
        authority = cls(folder, public_names, crl_url, clock)
        make_folder(authority.folder)
        if not authority._load():
            with locked(authority.folder):
                if not authority._load():
                    authority._create()
        return authority

    # --- certification authorities ---------------------------------------------------------------------------------

    def _load(self) -> bool:
        """Read the ACs; False when something is missing, ends soon, or names another CRL address."""
        try:
            state = json.loads((self.folder / "authority.json").read_bytes())
            self._acs = {ac.slug: self._read_ac(ac) for ac in TRUSTED}
            soon = min(ac.not_valid_after_utc for ac in self._acs.values()) - self._clock() < _AC_MARGIN
            present = all(path.is_file() for path in (self.ca_pem, self.ca_der, self.truststore))
            return present and not soon and state["crl_url"] == self.crl_url
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _read_ac(self, ac: Ac) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "ac" / f"{ac.slug}.pem").read_bytes())

    def _create(self) -> None:
        """Make the ACs and the trust files, `authority.json` last; the caller holds the lock."""
        self.folder.chmod(0o700)  # somebody may have made it beforehand with the usual mode
        for ac in TRUSTED:
            self._acs[ac.slug] = self._make_ac(ac)
        bundle = [self._acs[slug] for slug in (ORGANISATIONS.slug, "racine", "personnes")]
        write_whole(self.ca_pem, b"".join(item.public_bytes(PEM) for item in bundle), mode=PUBLIC)
        write_whole(self.ca_der, bundle[0].public_bytes(DER), mode=PUBLIC)
        entries = [pkcs12.PKCS12Certificate(item, alias.encode()) for alias, item in self._acs.items()]
        protection = serialization.BestAvailableEncryption(TRUSTSTORE_PASSWORD.encode())
        write_whole(self.truststore, pkcs12.serialize_java_truststore(entries, protection), mode=PUBLIC)
        write_whole(self.folder / "authority.json", json.dumps({"version": 1, "crl_url": self.crl_url}).encode())

    def _make_ac(self, ac: Ac) -> x509.Certificate:
        """Issue one AC with the key it has, or a new one; the caller holds the lock."""
        make_folder(self.folder / "ac")
        path = self.folder / "ac" / f"{ac.slug}.key"
        if path.is_file():
            key = load_key(path.read_bytes())
        else:
            key = new_key()
            write_whole(path, key_pem(key))
            (self.folder / "crl" / f"{ac.slug}.crl").unlink(missing_ok=True)  # signed by a key that is no more
        parent = None if ac.parent == ac.slug else self._issuers[ac.parent]
        certificate = issue_ac(ac, key, parent, self.crl_url, self._clock())
        write_whole(self.folder / "ac" / f"{ac.slug}.pem", certificate.public_bytes(PEM), mode=PUBLIC)
        self._issuers[ac.slug] = Issuer(ac, certificate, key)
        return certificate

    def _issuer(self, slug: str) -> Issuer:
        """Return an AC able to sign; the foreign one is made when first needed. Not to be called under the lock."""
        if slug not in self._issuers:
            ac = ACS[slug]
            if ac is AUTRE and not (self.folder / "ac" / f"{slug}.pem").is_file():
                with locked(self.folder):
                    if not (self.folder / "ac" / f"{slug}.pem").is_file():
                        self._make_ac(ac)
            key = load_key((self.folder / "ac" / f"{slug}.key").read_bytes())
            certificate = self._acs[slug] if slug in self._acs else self._read_ac(ac)
            self._issuers[slug] = Issuer(ac, certificate, key)
        return self._issuers[slug]

    # --- material --------------------------------------------------------------------------------------------------

    def server_material(
        self, name: str, cn: str, sans: Sequence[str], flavour: Flavour = Flavour.VALID, *, host: str | None = None
    ) -> Material:
        """Return the certificate of a listener, issued again when what it must name changes or when it ends soon.

        Args:
            name: the listener (`insi-tlsm`); its certificates share one key, whatever the flavour and host.
            cn: common name, last of the subject in DER: `C=FR, O=SEGUR-SANDBOX, CN=qualiflps-services-ps-tlsm.ameli.fr`.
            sans: real host names of the service; `cn`, `localhost`, `*.localhost`, 127.0.0.1, ::1 and the public names
                are added.
            flavour: what is wrong with it on purpose.
            host: one more exact name, for SNI: OpenSSL takes no wildcard right below a top-level name, so
                `<campaign>.localhost` needs a certificate that names it. Let only known hosts in: each costs a folder.

        Raises:
            PkiError: an unusable listener or host name.
        """
        base = self.folder / "servers" / listener_name(name)
        names = (
            (_WRONG_HOST,) if flavour is Flavour.WRONG_HOST else (cn, *sans, *_LOCAL, *self.public_names, *filter(None, [host]))
        )
        alternatives = alternative_names(names)
        subject = distinguished(("C", "FR"), ("O", ORGANISATION), ("CN", _WRONG_HOST if flavour is Flavour.WRONG_HOST else cn))
        folder = base / (flavour.value if host is None else folder_of(f"{flavour.value}-host", host))
        ac = AUTRE if flavour is Flavour.OTHER_CA else ORGANISATIONS
        return self._material(folder, Usage.SERVER, subject, alternatives, ac, flavour, key_folder=base)

    def client_material(
        self,
        campaign: str,
        role: str,
        *,
        structure_id: str,
        organisation: str,
        department: str = "Paris (75)",
        person: PersonSubject | None = None,
    ) -> Material:
        """Return the material of a campaign for a role (`names.ROLES`), made on first request.

        The key belongs to that campaign, role and holder (structure, or person for a CPS). The certificate carries
        the campaign as a subjectAltName URI (`urn:segur-sandbox:campaign:<name>`), which `describe` reads back.

        Args:
            campaign: 1 to 40 of `a-z 0-9 -`.
            role: see `names.ROLES`.
            structure_id: OU: `1` + FINESS or `3` + SIRET; what INSi's Emetteur must equal.
            organisation: O, the raison sociale (cut at 64 characters).
            department: ST, `Département (nn)`.
            person: holder of a CPS certificate, required for `cps_auth` and `cps_sign`.

        Raises:
            PkiError: a campaign name that isn't one, an unknown role, a missing person, an empty identifier.
        """
        campaign_name(campaign)
        kind: Role | None = ROLES.get(role)
        if kind is None:
            raise PkiError(f"unknown role {role!r}; known: {', '.join(ROLES)}")
        subject = client_subject(kind, structure_id, organisation, department, person)
        holder = person.national_id if kind.cn is None and person else structure_id
        folder = self.folder / "clients" / campaign / folder_of(role, holder)
        names = [x509.UniformResourceIdentifier(f"{CAMPAIGN_URN}{campaign}")]
        return self._material(folder, kind.usage, subject, names, ACS[kind.ac], kind.flavour, key_folder=folder)

    def _material(
        self,
        folder: Path,
        usage: Usage,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        ac: Ac,
        flavour: Flavour,
        *,
        key_folder: Path,
    ) -> Material:
        """Return the material of a folder if it still fits, else issue it; the lock is held for the writing only."""
        request = files_of.digest(
            usage, dn(subject), *map(repr, names), ac.slug, flavour, distribution_url(self.crl_url, ac), self._ac_mark(ac)
        )
        record = self._fitting(folder, request, flavour)
        if record is None:
            issuer = self._issuer(ac.slug)
            spare = None if (key_folder / "key.pem").is_file() else new_key()  # drawn before the lock: it takes long
            with locked(self.folder):
                record = self._fitting(folder, request, flavour)
                if record is None:
                    key = self._key(key_folder, spare)
                    certificate = issue_leaf(
                        subject, key.public_key(), issuer, usage, names, crl_url=self.crl_url, now=self._clock(), flavour=flavour
                    )
                    record = files_of.write(folder, key, certificate, self._chain(issuer), request)
                    self._remember(folder, record)
        if flavour is Flavour.REVOKED:
            self._revocations.revoke(ac.slug, record.material.serial)
        return record.material

    @staticmethod
    def _key(folder: Path, spare: rsa.RSAPrivateKey | None) -> rsa.RSAPrivateKey:
        """Return the key kept in a folder, else put one there; the caller holds the lock."""
        key = files_of.existing_key(folder)
        if key is None:
            key = spare or new_key()
            make_folder(folder)
            write_whole(folder / "key.pem", key_pem(key))
        return key

    def _ac_mark(self, ac: Ac) -> str:
        """Return what changes when the key of an AC does (somebody emptied `ac/`): its leaves are then issued again."""
        certificate = self._acs.get(ac.slug)
        if certificate is None:
            return ""
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()

    def _chain(self, issuer: Issuer) -> list[x509.Certificate]:
        """Return the issuer's certificate and those above it."""
        up = issuer.ac.parent
        return [issuer.certificate] if up == issuer.ac.slug else [issuer.certificate, self._acs[up]]

    def _fitting(self, folder: Path, request: str, flavour: Flavour) -> Record | None:
        """Return the record of a folder if it answers the request and doesn't end soon."""
        mark = stamp(folder / "material.json")
        seen = self._records.get(folder)
        if mark is None:
            record = None
        elif seen is not None and seen[0] == mark:
            record = seen[1]
        else:
            record = files_of.read(folder)
            if record is not None:
                self._records[folder] = (mark, record)
        if record is None or record.request != request:
            return None
        lasting = flavour is Flavour.EXPIRED or record.not_after - self._clock() > _MARGIN
        return record if lasting else None

    def _remember(self, folder: Path, record: Record) -> None:
        mark = stamp(folder / "material.json")
        if mark is not None:
            self._records[folder] = (mark, record)

    def forget_campaign(self, campaign: str) -> None:
        """Delete the key material of a campaign; nothing happens when it has none. Raise PkiError for a bad name."""
        folder = self.folder / "clients" / campaign_name(campaign)
        trash = folder.with_name(f".trash-{secrets.token_hex(6)}")
        with locked(self.folder):  # moved aside at once, deleted without keeping anybody waiting
            gone = folder.is_dir()
            if gone:
                folder.rename(trash)
        for path in [path for path in tuple(self._records) if path.parent == folder]:
            self._records.pop(path, None)
        if gone:
            shutil.rmtree(trash)

    # --- revocation, publication, judgement ------------------------------------------------------------------------

    def crl(self, ac_name: str) -> bytes:
        """Return the CRL of an AC (`racine`, `organisations`, `personnes`, `autre`) in DER; raise PkiError for another."""
        return self._revocations.crl(ac_name)

    def revoke(self, serial: int) -> None:
        """Add a certificate to the CRL of the AC that its serial number names; raise PkiError for a foreign serial."""
        ac = next((ac for ac in ACS.values() if ac.mark == serial >> 120), None)
        if ac is None:
            raise PkiError(f"serial number {serial:x} was not given by this authority")
        self._revocations.revoke(ac.slug, serial)

    def crl_bundle(self) -> bytes:
        """Return the CRLs of the trusted ACs in PEM, one after the other, for an `ssl.SSLContext` that checks them."""
        lists = (x509.load_der_x509_crl(self.crl(ac.slug)) for ac in TRUSTED)
        return b"".join(item.public_bytes(PEM) for item in lists)

    def published(self) -> dict[str, tuple[bytes, str]]:
        """Return what a publication point serves: path to (body, content type).

        `/crl/<ac>.crl` and `/ac/<ac>.cer` (DER) for each AC that exists, `/ca.pem`, `/ca.der`, `/truststore.p12`.
        """
        found: dict[str, tuple[bytes, str]] = {}
        for ac in ACS.values():
            if ac is AUTRE and not (self.folder / "ac" / f"{ac.slug}.pem").is_file():
                continue
            found[f"/crl/{ac.slug}.crl"] = (self.crl(ac.slug), "application/pkix-crl")
            certificate = self._acs.get(ac.slug) or self._read_ac(ac)
            found[f"/ac/{ac.slug}.cer"] = (certificate.public_bytes(DER), "application/pkix-cert")
        found["/ca.pem"] = (self.ca_pem.read_bytes(), "application/x-pem-file")
        found["/ca.der"] = (self.ca_der.read_bytes(), "application/pkix-cert")
        found["/truststore.p12"] = (self.truststore.read_bytes(), "application/x-pkcs12")
        return found

    def verify_signer(self, der: bytes, moment: datetime) -> list[Problem]:
        """Judge a certificate that signed something at `moment` (aware): chain, validity, revocation, keyUsage."""
        return judge(der, moment, self._acs, self._revocations.is_revoked, signature=True)

    def verify_client(self, der: bytes, moment: datetime) -> list[Problem]:
        """Judge a TLS client certificate used at `moment` (aware): chain, validity, revocation, clientAuth."""
        return judge(der, moment, self._acs, self._revocations.is_revoked, signature=False)

    def campaign_of(self, der: bytes, moment: datetime) -> str | None:
        """Return the campaign a client certificate was issued for, if one of our ACs signed it."""
        unproved = {Problem.UNREADABLE, Problem.UNKNOWN_ISSUER, Problem.FORGED}
        if unproved & set(self.verify_client(der, moment)):
            return None
        campaign = describe(der)["campaign"]
        return campaign if isinstance(campaign, str) else None
