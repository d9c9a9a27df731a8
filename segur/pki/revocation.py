"""Certificate revocation lists. The CRL on disk is the only record of what is revoked: it can't disagree with itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from segur.pki.files import PUBLIC, locked, make_folder, stamp, write_whole
from segur.pki.issue import Issuer
from segur.pki.material import DER
from segur.pki.names import ACS, PkiError

_LIFE = timedelta(days=7)
_RENEW = timedelta(days=1)
_Stamp = tuple[int, int, int]


def build_crl(issuer: Issuer, former: x509.CertificateRevocationList | None, added: int | None, now: datetime) -> bytes:
    """Sign the next CRL: the entries of the former one, and the serial number `added` (reason keyCompromise)."""
    number = 1
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    if former is not None:
        number = former.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        for entry in former:
            builder = builder.add_revoked_certificate(entry)
    if added is not None:
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        entry = x509.RevokedCertificateBuilder().serial_number(added).revocation_date(now).add_extension(reason, False).build()
        builder = builder.add_revoked_certificate(entry)
    public = issuer.key.public_key()
    # Begins a day early: the caller's clock may be a little behind ours.
    signed = (
        builder.last_update(now - timedelta(days=1))
        .next_update(now + _LIFE)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return signed.public_bytes(DER)


class Revocations:
    """The CRLs of a folder, one file per AC; reading takes no lock and sees what other processes revoke.

    `issuer` gives an AC able to sign and is only called to renew a list (it may itself take the lock of the authority,
    so this class has a lock of its own).
    """

    def __init__(self, folder: Path, issuer: Callable[[str], Issuer], clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._issuer = issuer
        self._clock = clock
        self._seen: dict[str, tuple[_Stamp, bytes, x509.CertificateRevocationList]] = {}

    def _path(self, ac: str) -> Path:
        """Return the file of an AC; raise PkiError for an AC that doesn't exist."""
        if ac not in ACS:
            raise PkiError(f"no certification authority is named {ac!r}; known: {', '.join(ACS)}")
        return self._folder / f"{ac}.crl"

    def _current(self, ac: str) -> tuple[bytes, x509.CertificateRevocationList] | None:
        """Return the list on disk, parsed once per change; None when there is none."""
        path = self._path(ac)
        mark = stamp(path)
        if mark is None:
            return None
        seen = self._seen.get(ac)
        if seen is None or seen[0] != mark:
            der = path.read_bytes()
            seen = (mark, der, x509.load_der_x509_crl(der))
            self._seen[ac] = seen
        return seen[1], seen[2]

    def _fresh(self, current: tuple[bytes, x509.CertificateRevocationList] | None) -> bool:
        """Tell whether a list may still be served as it is."""
        if current is None or current[1].next_update_utc is None:
            return False
        return current[1].next_update_utc - self._clock() > _RENEW

    def _renew(self, ac: str, added: int | None) -> bytes:
        """Write the next list, unless another process has just done it."""
        issuer = self._issuer(ac)
        make_folder(self._folder)
        with locked(self._folder):
            current = self._current(ac)
            listed = current is not None and added is not None and self._lists(current[1], added)
            if current is not None and self._fresh(current) and (added is None or listed):
                return current[0]
            der = build_crl(issuer, current[1] if current else None, None if listed else added, self._clock())
            write_whole(self._path(ac), der, mode=PUBLIC)
            return der

    @staticmethod
    def _lists(crl: x509.CertificateRevocationList, serial: int) -> bool:
        return crl.get_revoked_certificate_by_serial_number(serial) is not None

    def crl(self, ac: str) -> bytes:
        """Return the CRL of an AC in DER, renewed if it ends within a day; raise PkiError for an unknown AC."""
        current = self._current(ac)
        if current is not None and self._fresh(current):
            return current[0]
        return self._renew(ac, None)

    def revoke(self, ac: str, serial: int) -> None:
        """Add a serial number to the CRL of an AC; again is no error."""
        if not self.is_revoked(ac, serial):
            self._renew(ac, serial)

    def is_revoked(self, ac: str, serial: int) -> bool:
        """Tell whether the CRL of an AC lists a serial number."""
        current = self._current(ac)
        return current is not None and self._lists(current[1], serial)
