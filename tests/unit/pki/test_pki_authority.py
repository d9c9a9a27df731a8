from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from segur.pki.authority import Authority
from segur.pki.material import Material
from segur.pki.names import PkiError

CRL_URL = "http://localhost:8080/crl"


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def opened(folder: Path, **changes: object) -> Authority:
    values = {"public_names": ["sandbox.example"], "crl_url": CRL_URL} | changes
    return Authority.open(folder, **values)  # type: ignore[arg-type]


def test_opening_twice_gives_the_same_authority(authority: Authority) -> None:
    before = authority.ca_pem.read_bytes()
    assert opened(authority.folder).ca_pem.read_bytes() == before


def test_the_trust_file_holds_the_issuer_of_servers_first_then_the_root_then_the_persons(authority: Authority) -> None:
    found = x509.load_pem_x509_certificates(authority.ca_pem.read_bytes())
    assert [item.subject.rfc4514_string().split(",")[0] for item in found] == [
        "CN=TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS",
        "CN=TEST AC RACINE IGC-SANTE ELEMENTAIRE",
        "CN=TEST AC IGC-SANTE FORT PERSONNES",
    ]
    assert x509.load_der_x509_certificate(authority.ca_der.read_bytes()) == found[0]
    assert found[0].issuer == found[1].subject == found[1].issuer


def test_the_key_of_the_ac_checks_a_server_certificate_directly(authority: Authority) -> None:
    server = certificate(authority.server_material("insi", "qualiflps-services-ps-tlsm.ameli.fr", []).cert_pem)
    key = x509.load_der_x509_certificate(authority.ca_der.read_bytes()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(server.signature, server.tbs_certificate_bytes, padding.PKCS1v15(), hashes.SHA256())


def test_the_server_subject_has_its_cn_last_in_der_and_something_after_it_in_rfc_2253_order(authority: Authority) -> None:
    material = authority.server_material("insi", "qualiflps-services-ps-tlsm.ameli.fr", [])
    assert material.subject == "CN=qualiflps-services-ps-tlsm.ameli.fr,O=SEGUR-SANDBOX,C=FR"


def test_no_private_file_can_be_read_by_others(authority: Authority, client: Callable[..., Material]) -> None:
    client("insi_auto")
    authority.server_material("insi", "a.example", [])
    for path in [authority.folder, *authority.folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix in {".key", ".p12", ".json"} or path.name == "key.pem":
            assert mode == (0o644 if path.name == "truststore.p12" else 0o600), path


@pytest.mark.parametrize("bad", ["../x", "", "A", "a/b", "a" * 41, "a.b", "a\n", "é", "..", "a b"])
def test_a_campaign_name_that_could_leave_its_folder_is_refused(authority: Authority, bad: str) -> None:
    with pytest.raises(PkiError, match="campaign name"):
        authority.client_material(bad, "insi_auto", structure_id="1", organisation="X")
    with pytest.raises(PkiError, match="campaign name"):
        authority.forget_campaign(bad)


@pytest.mark.parametrize("bad", ["../x", "..", "", "a/b", ".hidden"])
def test_a_listener_name_that_could_leave_its_folder_is_refused(authority: Authority, bad: str) -> None:
    with pytest.raises(PkiError, match="listener name"):
        authority.server_material(bad, "a.example", [])


@pytest.mark.parametrize("identifier", ["../../x", "/etc", "0/1.2", "x" * 60])
def test_a_structure_id_never_chooses_the_folder(authority: Authority, identifier: str) -> None:
    material = authority.client_material("default", "insi_auto", structure_id=identifier, organisation="X")
    assert material.cert_pem.parent.parent == authority.folder / "clients" / "default"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"role": "nobody"}, "unknown role"),
        ({"role": "cps_auth"}, "needs its holder"),
        ({"structure_id": ""}, "subject OU"),
        ({"structure_id": "1" * 65}, "subject OU"),
    ],
)
def test_what_cannot_be_issued_is_refused_in_words(authority: Authority, changes: dict[str, str], words: str) -> None:
    asked = {"role": "insi_auto", "structure_id": "1", "organisation": "X"} | changes
    with pytest.raises(PkiError, match=words):
        authority.client_material("default", **asked)


def test_a_server_name_that_is_none_is_refused(authority: Authority) -> None:
    with pytest.raises(PkiError, match="neither a host name nor an address"):
        authority.server_material("insi", "a.example", ["https://x/"])
    with pytest.raises(PkiError, match="neither a host name nor an address"):
        opened(authority.folder, public_names=["not a host"])


def test_an_organisation_name_longer_than_x520_allows_is_cut(authority: Authority) -> None:
    material = authority.client_material("default", "insi_auto", structure_id="1", organisation="É" * 80)
    assert f"O={'É' * 64}," in material.subject


def test_material_is_made_once_and_read_again(authority: Authority, client: Callable[..., Material]) -> None:
    first = client("insi_auto")
    assert client("insi_auto") == first
    again = opened(authority.folder).client_material(
        "default", "insi_auto", structure_id="10B0152872", organisation="EHPAD DES TILLEULS"
    )
    assert again == first
    assert all(path.is_absolute() for path in (first.cert_pem, first.key_pem, first.p12, first.chain_pem))


def test_each_campaign_and_role_has_a_key_of_its_own(client: Callable[..., Material]) -> None:
    keys = {client(role, campaign).key_pem.read_bytes() for role in ("insi_auto", "insi_manu") for campaign in ("a", "b")}
    assert len(keys) == 4


def test_two_structures_of_a_campaign_live_side_by_side(authority: Authority) -> None:
    def make(structure_id: str) -> Material:
        return authority.client_material("default", "insi_auto", structure_id=structure_id, organisation="X")

    first, second = make("10B0152872"), make("300000001820687")
    assert first.cert_pem != second.cert_pem
    assert make("10B0152872") == first


def test_a_listener_is_issued_again_with_the_same_key_when_its_names_change(authority: Authority) -> None:
    first = authority.server_material("insi", "a.example", [])
    key = first.key_pem.read_bytes()
    second = authority.server_material("insi", "a.example", ["b.example"])
    assert second.fingerprint != first.fingerprint
    assert second.key_pem.read_bytes() == key
    assert second.password == first.password
    names = certificate(second.cert_pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example", "localhost", "*.localhost", "sandbox.example"]
    assert [str(item) for item in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_another_crl_address_reaches_the_certificates_and_keeps_old_trust_files_working(authority: Authority) -> None:
    former = x509.load_pem_x509_certificates(authority.ca_pem.read_bytes())
    authority.server_material("insi", "a.example", [])
    moved = opened(authority.folder, crl_url="http://other.example/crl/")
    server = certificate(moved.server_material("insi", "a.example", []).cert_pem)
    point = server.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name
    assert point is not None
    assert point[0].value == "http://other.example/crl/organisations.crl"
    server.verify_directly_issued_by(former[0])


def test_a_certificate_near_its_end_is_issued_again(made_once: Path, authority: Authority) -> None:
    first = authority.server_material("insi", "a.example", [])
    later = datetime.now(UTC) + timedelta(days=380)
    second = opened(authority.folder, clock=lambda: later).server_material("insi", "a.example", [])
    assert second.serial != first.serial
    assert certificate(second.cert_pem).not_valid_after_utc > later + timedelta(days=300)


def test_spoilt_material_is_made_anew(authority: Authority, client: Callable[..., Material]) -> None:
    first = client("insi_auto")
    first.cert_pem.with_name("material.json").write_text("{")
    first.key_pem.write_text("nothing")
    second = client("insi_auto")
    assert second.fingerprint != first.fingerprint
    assert second.key_pem.read_bytes().startswith(b"-----BEGIN PRIVATE KEY")


def test_forgetting_a_campaign_deletes_its_keys_and_no_other_ones(authority: Authority, client: Callable[..., Material]) -> None:
    gone, kept = client("insi_auto", "a"), client("insi_auto", "b")
    authority.forget_campaign("a")
    authority.forget_campaign("a")
    assert not gone.key_pem.exists()
    assert sorted(path.name for path in (authority.folder / "clients").iterdir()) == ["b"]
    assert client("insi_auto", "b") == kept
    assert client("insi_auto", "a").fingerprint != gone.fingerprint


def test_processes_that_open_an_empty_folder_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segur.pki.authority import Authority\n"
        f"a = Authority.open(Path(sys.argv[1]), public_names=[], crl_url={CRL_URL!r})\n"
        "m = a.client_material('default', 'insi_auto', structure_id='1', organisation='X')\n"
        "print(a.ca_pem.read_bytes().hex(), m.fingerprint)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "pki")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(printed)) == 1


def test_threads_that_open_an_empty_folder_and_ask_at_once_agree(tmp_path: Path) -> None:
    def ask(_: int) -> tuple[bytes, str, str]:
        authority = opened(tmp_path / "pki")
        client = authority.client_material("default", "insi_other_ca", structure_id="1", organisation="X")
        return authority.ca_pem.read_bytes(), client.fingerprint, authority.server_material("x", "a.example", []).fingerprint

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_an_authority_whose_acs_were_emptied_starts_again_with_lists_that_fit(authority: Authority) -> None:
    old = authority.server_material("insi", "a.example", [])
    authority.crl("organisations")
    for path in (authority.folder / "ac").iterdir():
        path.unlink()
    anew = opened(authority.folder)
    issuer = x509.load_der_x509_certificate(anew.ca_der.read_bytes())
    assert x509.load_der_x509_crl(anew.crl("organisations")).is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    server = anew.server_material("insi", "a.example", [])
    assert server.serial != old.serial
    certificate(server.cert_pem).verify_directly_issued_by(issuer)
