"""Real TLS handshakes between memory buffers: what each kind of certificate makes a client or a server say."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from segur.pki.authority import Authority
from segur.pki.describe import describe
from segur.pki.material import Material
from segur.pki.names import Flavour

HOST = "qualiflps-services-ps-tlsm.ameli.fr"


def server_context(authority: Authority, material: Material) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 tells a client that its certificate is refused after the handshake
    context.load_cert_chain(material.cert_pem, material.key_pem)
    context.load_verify_locations(authority.ca_pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(authority: Authority, material: Material | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.ca_pem))
    if material is not None:
        context.load_cert_chain(material.cert_pem, material.key_pem)
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> bytes | None:
    """Shake hands; return the client certificate the server saw, raise what either side raises first."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    done: set[int] = set()
    for _ in range(20):
        for index, end in enumerate(ends):
            try:
                end.do_handshake()
                done.add(index)
            except ssl.SSLWantReadError:
                continue
        if len(done) == 2:
            return ends[1].getpeercert(binary_form=True)
    raise AssertionError("the handshake doesn't end")


@pytest.mark.parametrize("host", [HOST, "qualiflps.services-ps.ameli.fr", "localhost", "127.0.0.1", "::1", "sandbox.example"])
def test_both_sides_accept_each_other_by_every_name(authority: Authority, client: Callable[..., Material], host: str) -> None:
    server = authority.server_material("insi", HOST, ["qualiflps.services-ps.ameli.fr"])
    auto = client("insi_auto", "campagne-1")
    seen = handshake(client_context(authority, auto), server_context(authority, server), host)
    assert seen is not None
    described = describe(seen)
    assert (described["cn"], described["ou"], described["campaign"]) == ("INSI-AUTO", "10B0152872", "campagne-1")
    assert described["fingerprint"] == auto.fingerprint


def test_the_host_of_a_campaign_is_reached_with_a_certificate_that_names_it(
    authority: Authority, client: Callable[..., Material]
) -> None:
    shaking = client_context(authority, client("insi_auto"))
    server = authority.server_material("insi", HOST, [], host="campagne-1.localhost")
    assert handshake(shaking, server_context(authority, server), "campagne-1.localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(shaking, server_context(authority, authority.server_material("insi", HOST, [])), "campagne-1.localhost")


@pytest.mark.parametrize(
    ("flavour", "reason"),
    [
        (Flavour.EXPIRED, "certificate has expired"),
        (Flavour.OTHER_CA, "unable to get local issuer certificate"),
        (Flavour.WRONG_HOST, "Hostname mismatch"),
    ],
)
def test_a_wrong_server_is_refused_for_the_right_reason(
    authority: Authority, client: Callable[..., Material], flavour: Flavour, reason: str
) -> None:
    server = authority.server_material("insi", HOST, [], flavour)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(client_context(authority, client("insi_auto")), server_context(authority, server), HOST)


def test_a_revoked_server_is_refused_by_a_client_that_reads_the_crl_only(
    authority: Authority, client: Callable[..., Material], tmp_path_factory: pytest.TempPathFactory
) -> None:
    good, revoked = (authority.server_material("insi", HOST, [], flavour) for flavour in (Flavour.VALID, Flavour.REVOKED))
    shaking = client_context(authority, client("insi_auto"))
    assert handshake(shaking, server_context(authority, revoked), HOST)
    lists = tmp_path_factory.mktemp("crl") / "crl.pem"
    lists.write_bytes(authority.crl_bundle())
    shaking.load_verify_locations(lists)
    shaking.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    assert handshake(shaking, server_context(authority, good), HOST)
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate revoked"):
        handshake(shaking, server_context(authority, revoked), HOST)


@pytest.mark.parametrize(
    ("role", "reason"),
    [("insi_expired", "certificate has expired"), ("insi_other_ca", "unable to get local issuer certificate")],
)
def test_a_wrong_client_is_refused_for_the_right_reason(
    authority: Authority, client: Callable[..., Material], role: str, reason: str
) -> None:
    server = server_context(authority, authority.server_material("insi", HOST, []))
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        handshake(client_context(authority, client(role)), server, HOST)


def test_a_client_without_certificate_is_refused(authority: Authority) -> None:
    server = server_context(authority, authority.server_material("insi", HOST, []))
    with pytest.raises(ssl.SSLError, match=r"(?i)peer did not return a certificate"):
        handshake(client_context(authority, None), server, HOST)


@pytest.mark.parametrize("role", ["insi_wrong_cn", "insi_revoked", "mss_client", "org_auth", "cps_auth"])
def test_clients_whose_fault_is_not_in_the_chain_pass_the_handshake(
    authority: Authority, client: Callable[..., Material], role: str
) -> None:
    server = server_context(authority, authority.server_material("insi", HOST, []))
    assert handshake(client_context(authority, client(role)), server, HOST)


def test_a_chain_file_serves_a_client_that_trusts_the_root_alone(authority: Authority) -> None:
    material = authority.server_material("insi", HOST, [])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(material.chain_pem, material.key_pem)
    shaking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    shaking.load_verify_locations(cadata=authority.published()["/ac/racine.cer"][0])
    assert handshake(shaking, server, HOST) is None
