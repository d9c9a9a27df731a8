"""Facts about the recorded listener over TLS: who called, handshakes that fail, certificates wrong on purpose."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from segur.campaign.campaigns import Campaigns
from segur.campaign.faults import Faults, Overrides
from segur.journal.journal import Journal
from segur.journal.model import Exchange, Outcome
from segur.journal.query import Query, wait
from segur.pki.authority import Authority
from segur.pki.material import Material
from segur.settings import Settings
from segur.wire.core import Core, ListenerSpec, TlsSpec
from segur.wire.http.call import Call, Reply
from segur.wire.http.server import Listener


def whoami(call: Call) -> Reply:
    call.draft.operation = "WHO"
    call.faults("WHO")
    who = call.peer.certificate
    return Reply(200, f"{call.campaign.name} {who['cn'] if who else '-'} {call.peer.tls_version}".encode())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.open(tmp_path_factory.mktemp("pki"), public_names=[], crl_url="http://localhost:1/crl")


@pytest.fixture
def core(tmp_path: Path, campaigns: Campaigns, journal: Journal, authority: Authority) -> Core:
    settings = Settings(state=tmp_path, request_timeout=2.0)
    nothing = cast("Any", None)
    return Core(
        settings, campaigns.engine, campaigns, Faults(campaigns), Overrides(campaigns), journal, nothing, authority, lambda _: ""
    )


@pytest.fixture
def port(core: Core) -> Iterator[int]:
    tls = TlsSpec("service.example", ("other.example",), "required")
    listener = Listener(core, ListenerSpec("who.mtls", "who", 0, whoami, tls), 0)
    yield listener.open()
    listener.shut()


def material(authority: Authority, role: str, campaign: str = "default") -> Material:
    return authority.client_material(campaign, role, structure_id="10B0152872", organisation="EHPAD DU TEST")


def client(authority: Authority, role: str | None = "insi_auto", campaign: str = "default", **options: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca_pem))
    if role:
        held = material(authority, role, campaign)
        context.load_cert_chain(held.cert_pem, held.key_pem)
    for name, value in options.items():
        setattr(context, name, value)
    return context


def get(port: int, context: ssl.SSLContext, name: str = "localhost") -> str:
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(raw, server_hostname=name) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: " + name.encode() + b"\r\nConnection: close\r\n\r\n")
        data = b""
        while part := sock.recv(65536):
            data += part
    return data.split(b"\r\n\r\n", 1)[1].decode()


def last(journal: Journal, after: int = 0, campaign: str = "default") -> Exchange:
    found = wait(journal, Query(campaign, after=after), 10)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["localhost", "service.example", "other.example"])
def test_the_caller_is_known_by_its_certificate(port: int, authority: Authority, journal: Journal, name: str) -> None:
    assert get(port, client(authority), name) == "default INSI-AUTO TLSv1.3"
    actor = last(journal).actor
    assert (actor["kind"], actor["cn"], actor["ou"], actor["sni"]) == ("certificate", "INSI-AUTO", "10B0152872", name)


def test_tls_1_2_clients_are_served(port: int, authority: Authority) -> None:
    assert get(port, client(authority, maximum_version=ssl.TLSVersion.TLSv1_2)).endswith("TLSv1.2")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("role", "problem", "cn"),
    [
        (None, "peer did not return a certificate", None),
        ("insi_expired", "certificate has expired", "INSI-AUTO"),
        ("insi_revoked", "certificate revoked", "INSI-AUTO"),
        ("insi_other_ca", "unable to get local issuer certificate", "INSI-AUTO"),
    ],
)
def test_a_client_certificate_that_is_wrong_fails_the_handshake_and_is_recorded(
    port: int, authority: Authority, journal: Journal, version: ssl.TLSVersion, role: str | None, problem: str, cn: str | None
) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(port, client(authority, role, maximum_version=version))
    exchange = last(journal)
    assert (exchange.operation, exchange.outcome) == ("TLS", Outcome.HANDSHAKE_FAILED)
    assert problem in exchange.summary["problem"]
    assert exchange.actor.get("cn") == cn
    assert exchange.findings


def test_a_certificate_brings_its_call_to_the_campaign_it_was_made_for(port: int, core: Core, authority: Authority) -> None:
    core.campaigns.create("demo")
    assert get(port, client(authority, campaign="demo")).startswith("demo ")


def test_a_server_name_brings_its_call_to_its_campaign(port: int, core: Core, authority: Authority) -> None:
    core.campaigns.create("demo")
    assert get(port, client(authority), "demo.localhost").startswith("demo ")


@pytest.mark.parametrize(
    ("kind", "alert"),
    [
        ("tls_expired", "certificate expired"),
        ("tls_other_ca", "unknown ca"),
        ("tls_wrong_host", ""),
    ],
)
def test_a_good_client_refuses_a_wrong_server_and_that_is_recorded(
    port: int, core: Core, authority: Authority, journal: Journal, kind: str, alert: str
) -> None:
    core.faults.add("default", kind, "who", times=1)
    with pytest.raises(ssl.SSLError):
        get(port, client(authority))
    exchange = last(journal)
    assert (exchange.summary["fault_injected"], exchange.summary["client_accepted"]) == (kind, False)
    assert alert in exchange.summary.get("alert", "")
    assert [finding.code for finding in exchange.findings] == ["TLS.SERVEUR.REFUSE"]
    assert get(port, client(authority)).startswith("default ")


@pytest.mark.parametrize("kind", ["tls_expired", "tls_revoked", "tls_other_ca", "tls_wrong_host"])
def test_a_client_that_accepts_a_wrong_server_is_a_finding(
    port: int, core: Core, authority: Authority, journal: Journal, kind: str
) -> None:
    core.faults.add("default", kind, "who")
    get(port, client(authority, check_hostname=False, verify_mode=ssl.CERT_NONE))
    exchange = last(journal)
    assert (exchange.operation, exchange.summary["client_accepted"]) == ("TLS", True)
    assert [finding.code for finding in exchange.findings] == ["TLS.SERVEUR.ACCEPTE_A_TORT"]


def test_a_client_that_checks_revocation_refuses_a_revoked_server(
    port: int, core: Core, authority: Authority, tmp_path: Path
) -> None:
    core.faults.add("default", "tls_revoked", "who")
    context = client(authority)
    (tmp_path / "crl.pem").write_bytes(authority.crl_bundle())
    context.load_verify_locations(str(tmp_path / "crl.pem"))
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        get(port, context)


def test_an_old_version_only_server_is_refused(port: int, core: Core, authority: Authority, journal: Journal) -> None:
    core.faults.add("default", "tls_old_version", "who")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(port, client(authority))
    assert last(journal).summary["client_accepted"] is False


def test_a_refused_connection_is_reset_and_recorded(port: int, core: Core, authority: Authority, journal: Journal) -> None:
    core.faults.add("default", "refuse", "who", times=1)
    with pytest.raises((ConnectionError, ssl.SSLError)):
        get(port, client(authority))
    assert last(journal).summary["fault_injected"] == "refuse"


def test_plain_http_on_the_tls_port_is_told_so(port: int, journal: Journal) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, b"HTTPS only" in answer.read()) == (400, True)
    assert last(journal).findings[0].code == "TLS.ABSENT"


def test_a_silent_client_stops_nobody(port: int, authority: Authority, journal: Journal) -> None:
    silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    for sock in silent:
        sock.sendall(b"\x16\x03")
    assert get(port, client(authority)).startswith("default ")
    for sock in silent:
        sock.close()


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", b"\x16\x03\x03\x40\x01", b"\x16\x02\x00\x00\x01x", b"SSH-2.0-x\r\n"]
)
def test_noise_on_the_tls_port_is_recorded_and_the_listener_lives_on(
    port: int, authority: Authority, journal: Journal, noise: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(noise)
        sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while sock.recv(4096):
                pass
    assert last(journal).outcome is Outcome.HANDSHAKE_FAILED
    assert get(port, client(authority)).startswith("default ")
