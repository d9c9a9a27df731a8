"""Revocation lists, the judgement of signers and clients, and the description of any certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from segur.pki.authority import Authority
from segur.pki.chain import Problem
from segur.pki.describe import describe
from segur.pki.issue import Issuer, issue_leaf, new_key
from segur.pki.material import Material
from segur.pki.names import ORGANISATIONS, PkiError, Usage, distinguished

NOW = datetime.now(UTC)


def der(material: Material) -> bytes:
    return ssl.PEM_cert_to_DER_cert(material.cert_pem.read_text())


def listed(authority: Authority, ac: str, serial: int) -> bool:
    return x509.load_der_x509_crl(authority.crl(ac)).get_revoked_certificate_by_serial_number(serial) is not None


def test_revoking_puts_the_serial_into_the_crl_of_its_ac_and_no_other(
    authority: Authority, client: Callable[..., Material]
) -> None:
    organisation, person = client("insi_auto"), client("cps_sign")
    authority.revoke(person.serial)
    authority.revoke(person.serial)
    assert listed(authority, "personnes", person.serial)
    assert not listed(authority, "organisations", person.serial)
    assert not listed(authority, "organisations", organisation.serial)


def test_a_revocation_is_seen_by_another_process_and_numbers_go_up(authority: Authority, client: Callable[..., Material]) -> None:
    other = Authority.open(authority.folder, public_names=[], crl_url=authority.crl_url)

    def number() -> int:
        return (
            x509.load_der_x509_crl(other.crl("organisations")).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        )

    first, before = client("insi_revoked"), number()
    authority.revoke(client("insi_auto").serial)
    assert listed(other, "organisations", first.serial)
    assert listed(other, "organisations", client("insi_auto").serial)
    assert number() == before + 1


def test_the_revoked_role_is_in_the_crl_from_the_start(authority: Authority, client: Callable[..., Material]) -> None:
    assert listed(authority, "organisations", client("insi_revoked").serial)


def test_a_crl_about_to_end_is_made_again_and_keeps_its_entries(authority: Authority, client: Callable[..., Material]) -> None:
    serial = client("insi_revoked").serial
    first = authority.crl("organisations")
    assert authority.crl("organisations") == first
    later = NOW + timedelta(days=6, hours=12)
    aged = Authority.open(authority.folder, public_names=[], crl_url=authority.crl_url, clock=lambda: later)
    renewed = x509.load_der_x509_crl(aged.crl("organisations"))
    assert renewed.next_update_utc is not None
    assert renewed.next_update_utc > later + timedelta(days=6)
    assert listed(aged, "organisations", serial)


def test_the_crl_of_an_unknown_ac_and_a_foreign_serial_are_refused(authority: Authority) -> None:
    with pytest.raises(PkiError, match="no certification authority"):
        authority.crl("../x")
    with pytest.raises(PkiError, match="not given by this authority"):
        authority.revoke(12345)


def test_the_publication_point_serves_every_list_and_certificate(authority: Authority, client: Callable[..., Material]) -> None:
    assert "/crl/autre.crl" not in authority.published()
    client("insi_other_ca")
    found = authority.published()
    for ac in ("racine", "organisations", "personnes", "autre"):
        body, kind = found[f"/ac/{ac}.cer"]
        issuer = x509.load_der_x509_certificate(body)
        crl = x509.load_der_x509_crl(found[f"/crl/{ac}.crl"][0])
        assert crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        assert kind == "application/pkix-cert"
    assert found["/ca.pem"] == (authority.ca_pem.read_bytes(), "application/x-pem-file")


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("org_sign", []),
        ("cps_sign", []),
        ("org_auth", [Problem.NOT_A_SIGNATURE_CERTIFICATE]),
        ("cps_auth", [Problem.NOT_A_SIGNATURE_CERTIFICATE]),
        ("insi_expired", [Problem.EXPIRED, Problem.NOT_A_SIGNATURE_CERTIFICATE]),
        ("insi_other_ca", [Problem.UNKNOWN_ISSUER, Problem.NOT_A_SIGNATURE_CERTIFICATE]),
    ],
)
def test_signers_are_judged(authority: Authority, client: Callable[..., Material], role: str, expected: list[Problem]) -> None:
    assert authority.verify_signer(der(client(role)), NOW) == expected


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("insi_auto", []),
        ("insi_wrong_cn", []),
        ("cps_auth", []),
        ("insi_expired", [Problem.EXPIRED]),
        ("insi_revoked", [Problem.REVOKED]),
        ("insi_other_ca", [Problem.UNKNOWN_ISSUER]),
        ("org_sign", [Problem.NOT_AN_AUTHENTICATION_CERTIFICATE]),
    ],
)
def test_clients_are_judged(authority: Authority, client: Callable[..., Material], role: str, expected: list[Problem]) -> None:
    assert authority.verify_client(der(client(role)), NOW) == expected


def test_a_signer_is_judged_at_the_moment_given(authority: Authority, client: Callable[..., Material]) -> None:
    signer = der(client("org_sign"))
    assert authority.verify_signer(signer, NOW - timedelta(days=300)) == []
    assert authority.verify_signer(signer, NOW - timedelta(days=500)) == [Problem.NOT_YET_VALID]
    assert authority.verify_signer(signer, NOW + timedelta(days=1000)) == [Problem.EXPIRED]
    with pytest.raises(ValueError, match="time zone"):
        authority.verify_signer(signer, datetime(2026, 1, 1))


def test_a_revoked_signer_is_refused_whatever_the_moment(authority: Authority, client: Callable[..., Material]) -> None:
    material = client("org_sign")
    authority.revoke(material.serial)
    assert authority.verify_signer(der(material), NOW - timedelta(days=30)) == [Problem.REVOKED]


def test_a_certificate_that_borrows_the_name_of_an_ac_is_called_forged(authority: Authority) -> None:
    real = x509.load_der_x509_certificate(authority.ca_der.read_bytes())
    key = new_key()
    thief = Issuer(ORGANISATIONS, real, key)
    subject = distinguished(("C", "FR"), ("CN", "DMP-SIGN"))
    forged = issue_leaf(subject, key.public_key(), thief, Usage.SIGN, [], crl_url="http://x/crl", now=NOW)
    encoded = ssl.PEM_cert_to_DER_cert(forged.public_bytes(Encoding.PEM).decode())
    assert authority.verify_signer(encoded, NOW) == [Problem.FORGED]
    assert authority.campaign_of(encoded, NOW) is None


def test_every_problem_is_said_in_two_languages() -> None:
    assert all(problem.fr and problem.en and problem.fr != problem.en for problem in Problem)


def test_the_campaign_of_a_client_is_told_by_its_certificate_if_ours(
    authority: Authority, client: Callable[..., Material]
) -> None:
    assert authority.campaign_of(der(client("insi_auto", "c-1")), NOW) == "c-1"
    assert authority.campaign_of(der(client("insi_expired", "c-1")), NOW) == "c-1"
    assert authority.campaign_of(der(client("insi_other_ca", "c-1")), NOW) is None
    assert authority.campaign_of(b"nonsense", NOW) is None


@pytest.mark.parametrize(
    ("role", "subject", "usage", "extended"),
    [
        ("insi_manu", "CN=INSI-MANU,OU=10B0152872,O=EHPAD DES TILLEULS,ST=Paris (75),C=FR", ["digitalSignature"], ["clientAuth"]),
        (
            "org_sign",
            "CN=DMP-SIGN,OU=10B0152872,O=EHPAD DES TILLEULS,ST=Paris (75),C=FR",
            ["digitalSignature", "nonRepudiation"],
            ["emailProtection"],
        ),
        ("cps_auth", "CN=899700000017,GN=ZOÉ,SN=ADRUN,title=Médecin,C=FR", ["digitalSignature"], ["clientAuth"]),
        ("cps_sign", "CN=899700000017,GN=ZOÉ,SN=ADRUN,title=Médecin,C=FR", ["nonRepudiation"], ["emailProtection"]),
    ],
)
def test_a_certificate_is_described(
    client: Callable[..., Material], role: str, subject: str, usage: list[str], extended: list[str]
) -> None:
    material = client(role)
    found = describe(der(material))
    assert found["subject"] == material.subject == subject
    assert (found["key_usage"], found["extended_key_usage"], found["key"]) == (usage, extended, "RSA 2048")
    assert found["serial"] == f"{material.serial:x}"
    assert found["problem"] is None


def test_changing_a_description_leaves_the_next_one_alone(client: Callable[..., Material]) -> None:
    encoded = der(client("insi_auto"))
    usage = describe(encoded)["key_usage"]
    assert isinstance(usage, list)
    usage.append("x")
    assert describe(encoded)["key_usage"] == ["digitalSignature"]


def test_a_certificate_with_nothing_in_it_is_described() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([])).public_key(key.public_key())
    bare = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW).sign(key, hashes.SHA256())
    found = describe(bare.public_bytes(Encoding.DER))
    assert (found["subject"], found["cn"], found["key"], found["key_usage"], found["campaign"]) == (
        "",
        "",
        "EC secp256r1",
        [],
        None,
    )


@pytest.mark.parametrize("rubbish", [b"", b"\x30", b"-----BEGIN CERTIFICATE-----", b"\x00" * 4000])
def test_rubbish_is_described_as_unreadable(authority: Authority, rubbish: bytes) -> None:
    found = describe(rubbish)
    assert str(found["problem"]).startswith("unreadable certificate")
    assert set(found) == set(describe(authority.ca_der.read_bytes()))
    assert authority.verify_signer(rubbish, NOW) == [Problem.UNREADABLE]


@pytest.fixture(scope="module")
def whole(made_once: object) -> bytes:
    assert hasattr(made_once, "joinpath")
    return bytes(made_once.joinpath("ca.der").read_bytes())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_certificate_with_spoilt_bytes_never_raises(whole: bytes, data: st.DataObject) -> None:
    changes = data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=6))
    spoilt = bytearray(whole)
    for position, value in changes:
        spoilt[position] = value
    found = describe(bytes(spoilt))
    assert isinstance(found["fingerprint"], str)


def test_multi_valued_and_unusual_attributes_are_read() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    odd = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "1"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "2"),
            x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "x"),
        ]
    )
    builder = x509.CertificateBuilder().subject_name(odd).issuer_name(odd).public_key(key.public_key()).serial_number(1)
    made = builder.not_valid_before(NOW).not_valid_after(NOW).sign(key, hashes.SHA256())
    found = describe(made.public_bytes(Encoding.DER))
    assert found["ou"] == "1"
    assert found["subject"] == "1.2.3.4=x,OU=2,OU=1"
