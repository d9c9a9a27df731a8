"""Facts about reading what a TLS client says first."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segur.wire.http.clienthello import NotTls, needed, parse


def hello(sni: str | None = "demo.localhost", **versions: ssl.TLSVersion) -> bytes:
    context = ssl.create_default_context()
    for name, value in versions.items():
        setattr(context, name, value)
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=sni or "127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_the_server_name_versions_and_suites_are_read() -> None:
    read = parse(hello())
    assert read.sni == "demo.localhost"
    assert read.versions[:2] == ("TLSv1.3", "TLSv1.2")
    assert "C02F" in read.ciphers


def test_a_client_limited_to_tls_1_2_says_so() -> None:
    assert parse(hello(maximum_version=ssl.TLSVersion.TLSv1_2)).versions == ("TLSv1.2",)


def test_a_client_without_server_name_has_none() -> None:
    assert parse(hello(None)).sni == ""


def test_plain_http_is_told_from_tls_at_the_first_byte() -> None:
    with pytest.raises(NotTls):
        needed(b"G")


def test_the_missing_bytes_of_a_record_are_counted() -> None:
    whole = hello()
    assert needed(b"") == 5
    assert needed(whole[:5]) == len(whole) - 5
    assert needed(whole) == 0


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_and_nothing_else(tail: bytes) -> None:
    data = b"\x16\x03\x01" + len(tail).to_bytes(2) + tail
    try:
        parse(data)
    except NotTls:
        return
    assert tail[0] == 1


@given(st.integers(min_value=0, max_value=300), st.integers(min_value=0, max_value=255))
def test_a_damaged_hello_is_read_or_refused(at: int, value: int) -> None:
    data = bytearray(hello())
    data[at % len(data)] = value
    try:
        parse(bytes(data))
    except NotTls:
        assert bytes(data) != hello
