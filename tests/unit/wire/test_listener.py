"""Facts about the recorded listener, over plain HTTP: what is kept, refused, delayed and broken."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from segur.campaign.campaigns import Campaigns
from segur.campaign.faults import Faults, Overrides
from segur.journal.journal import Journal
from segur.journal.model import Exchange, Outcome
from segur.journal.query import Query, wait
from segur.settings import Settings
from segur.wire.core import Core, ListenerSpec
from segur.wire.http.call import Call, Reply
from segur.wire.http.server import Listener


def echo(call: Call) -> Reply:
    call.draft.operation = "ECHO"
    call.faults("ECHO", call.header("X-Identity"))
    if call.path == "/bug":
        raise ZeroDivisionError("a bug of ours")
    return Reply(200, call.body or call.path.encode(), "application/octet-stream", [("X-Campaign", call.campaign.name)])


@pytest.fixture
def core(tmp_path: Path, campaigns: Campaigns, journal: Journal) -> Core:
    settings = Settings(state=tmp_path, request_timeout=1.0, max_body=100_000, max_header=8_000)
    nothing = cast("Any", None)
    return Core(
        settings, campaigns.engine, campaigns, Faults(campaigns), Overrides(campaigns), journal, nothing, nothing, lambda _: ""
    )


@pytest.fixture
def port(core: Core) -> Iterator[int]:
    listener = Listener(core, ListenerSpec("echo.http", "echo", 0, echo), 0)
    yield listener.open()
    listener.shut()


def raw(port: int, data: bytes, *, shut: bool = False) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(data)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
        return received


def last(journal: Journal, after: int = 0, campaign: str = "default") -> Exchange:
    found = wait(journal, Query(campaign, after=after), 10)
    assert found is not None
    return found


def test_both_sides_are_kept_byte_for_byte(port: int, journal: Journal) -> None:
    request = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-odd:   spaced \r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
    answer = raw(port, request)
    exchange = last(journal)
    assert journal.body("default", exchange.request_sha) == request
    assert journal.body("default", exchange.response_sha) == answer
    assert answer.endswith(b"\r\n\r\nabc")
    assert (exchange.status, exchange.outcome, exchange.operation) == (200, Outcome.ANSWERED, "ECHO")


def test_chunked_bodies_are_decoded_for_the_service_and_kept_as_sent(port: int, journal: Journal) -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert raw(port, request).endswith(b"abcde")
    assert journal.body("default", last(journal).request_sha) == request


def test_many_calls_share_a_connection_and_each_is_an_exchange(port: int, journal: Journal) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number in range(5):
        connection.request("POST", "/", body=str(number))
        assert connection.getresponse().read() == str(number).encode()
    connection.close()
    assert journal.head("default")[0] == 5


def test_pipelined_calls_are_answered_in_order(port: int) -> None:
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"
    two = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n2"
    answer = raw(port, one + two)
    assert answer.index(b"\r\n\r\n1") < answer.index(b"\r\n\r\n2")


@pytest.mark.parametrize(
    ("request_bytes", "status", "outcome"),
    [
        (b"NONSENSE\r\n\r\n", 400, Outcome.REFUSED),
        (b"GET / HTTP/9.9\r\n\r\n", 505, Outcome.REFUSED),
        (b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400, Outcome.REFUSED),
        (b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400, Outcome.REFUSED),
        (b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", 413, Outcome.REFUSED),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 413, Outcome.REFUSED),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414, Outcome.REFUSED),
        (b"GET /c/nobody/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, Outcome.REFUSED),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400, Outcome.REFUSED),
    ],
)
def test_what_http_refuses_is_answered_and_recorded_with_a_reason(
    port: int, journal: Journal, request_bytes: bytes, status: int, outcome: Outcome
) -> None:
    answer = raw(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    exchange = last(journal)
    assert (exchange.outcome, exchange.status) == (outcome, status)
    assert exchange.findings


def test_a_caller_that_leaves_inside_its_body_is_recorded(port: int, journal: Journal) -> None:
    raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf", shut=True)
    exchange = last(journal)
    assert exchange.outcome is Outcome.CLIENT_GONE
    assert journal.body("default", exchange.request_sha).endswith(b"half")


def test_a_slow_caller_gets_408_and_is_recorded(port: int, journal: Journal) -> None:
    answer = raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-")
    assert answer.startswith(b"HTTP/1.1 408")
    assert last(journal).outcome is Outcome.TIMEOUT


def test_others_are_served_while_many_callers_are_slow(port: int) -> None:
    slow = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(60)]
    for sock in slow:
        sock.sendall(b"POST / HTTP/1.1\r\n")
    try:
        assert raw(port, b"GET /still-here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(b"/still-here")
    finally:
        for sock in slow:
            sock.close()


def test_a_bug_of_ours_is_a_recorded_500_and_the_listener_lives_on(port: int, journal: Journal) -> None:
    assert raw(port, b"GET /bug HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 500")
    exchange = last(journal)
    assert exchange.outcome is Outcome.BROKEN
    assert "ZeroDivisionError" in exchange.summary["trace"]
    assert raw(port, b"GET /ok HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_connection_opened_and_closed_without_a_word_is_no_exchange(port: int, journal: Journal) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    raw(port, b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert journal.head("default")[0] == 1


def test_head_has_the_length_but_no_body(port: int) -> None:
    answer = raw(port, b"HEAD /abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 4" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_the_campaign_comes_from_the_prefix_or_the_host(port: int, core: Core, journal: Journal) -> None:
    core.campaigns.create("demo")
    assert b"X-Campaign: demo" in raw(port, b"GET /c/demo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"X-Campaign: demo" in raw(port, b"GET /x HTTP/1.1\r\nHost: demo.localhost:1\r\nConnection: close\r\n\r\n")
    assert b"X-Campaign: default" in raw(port, b"GET /x HTTP/1.1\r\nHost: no.localhost\r\nConnection: close\r\n\r\n")
    assert journal.head("demo")[0] == 2


GET = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_an_http_error_fault_answers_html_for_its_count_then_stops(port: int, core: Core, journal: Journal) -> None:
    core.faults.add("default", "http_error", "echo", params={"status": 502}, times=1)
    answer = raw(port, GET)
    assert answer.startswith(b"HTTP/1.1 502")
    assert b"<html>" in answer
    exchange = last(journal)
    assert (exchange.outcome, exchange.summary["fault_injected"]) == (Outcome.FAULT_INJECTED, "http_error")
    assert raw(port, GET).startswith(b"HTTP/1.1 200")


def test_a_reset_fault_breaks_the_connection_and_is_recorded(port: int, core: Core, journal: Journal) -> None:
    core.faults.add("default", "reset", "echo")
    with pytest.raises(ConnectionResetError):
        raw(port, GET)
    exchange = last(journal)
    assert (exchange.outcome, exchange.response_length) == (Outcome.FAULT_INJECTED, 0)


def test_a_broken_answer_is_cut_short(port: int, core: Core, journal: Journal) -> None:
    core.faults.add("default", "broken_xml", "echo")
    answer = raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<a>bc</a>")
    assert answer.endswith(b"<a>bc<")
    assert last(journal).outcome is Outcome.FAULT_INJECTED


def test_a_timeout_fault_ends_when_the_caller_leaves(port: int, core: Core, journal: Journal) -> None:
    core.faults.add("default", "timeout", "echo", params={"seconds": 300})
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(GET)
    sock.close()
    exchange = last(journal)
    assert (exchange.outcome, exchange.summary["fault_injected"]) == (Outcome.FAULT_INJECTED, "timeout")


def test_a_fault_for_one_identity_spares_the_others(port: int, core: Core) -> None:
    core.faults.add("default", "http_error", "echo", identity="q1")
    ask: Callable[[str], bytes] = lambda who: raw(port, GET.replace(b"Host: x", b"Host: x\r\nX-Identity: " + who.encode()))  # noqa: E731
    assert ask("q2").startswith(b"HTTP/1.1 200")
    assert ask("q1").startswith(b"HTTP/1.1 503")


def test_a_caller_gone_before_its_answer_leaves_an_event(port: int, core: Core, journal: Journal) -> None:
    core.faults.add("default", "delay", "echo", params={"seconds": 300})
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(GET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    assert last(journal).outcome is Outcome.ANSWERED
    event = wait(journal, Query("default", service="sandbox"), 10)
    assert event is not None
    assert event.operation == "delivery.failed"


def test_no_commit_no_answer(port: int, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(journal, "_store", refuse)
    answer = raw(port, GET)
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"/x" not in answer


def test_parallel_callers_are_all_recorded(port: int, journal: Journal) -> None:
    threads = [threading.Thread(target=lambda: [raw(port, GET) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert journal.head("default")[0] == 80
    assert list(journal.verify("default")) == []


def test_a_listener_stops_within_a_second_while_a_call_waits(core: Core) -> None:
    listener = Listener(core, ListenerSpec("echo.http", "echo", 0, echo), 0)
    port = listener.open()
    core.faults.add("default", "timeout", "echo", params={"seconds": 300})
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(GET)
        stopper = threading.Thread(target=listener.shut)
        stopper.start()
        stopper.join(3)
        assert not stopper.is_alive()
