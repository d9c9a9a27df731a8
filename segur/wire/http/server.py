"""The listener: cheroot's loop, threads and HTTP parsing, with a recorded handshake and a recorded exchange around each call.

The way of one call: bytes are read on a tape, the campaign is told, the service answers into a held-back writer, the
exchange is committed, and only then do the bytes leave.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import struct
import threading
import time
from datetime import UTC, datetime
from typing import Any

from cheroot import errors
from cheroot.server import HTTPConnection, HTTPRequest, HTTPServer

from segur.journal.journal import JournalError
from segur.journal.model import Draft, Outcome
from segur.pki.describe import describe
from segur.wire.core import Core, ListenerSpec
from segur.wire.http import notes, respond
from segur.wire.http.call import Peer
from segur.wire.http.clienthello import ClientHello, NotTls, parse
from segur.wire.http.stream import CallerGone, Reader, TooSlow, Writer
from segur.wire.http.tls import Contexts, Handshake, SaidNothing, alert_of, explain, greet

log = logging.getLogger("segur.listener")

_LINGER = 0.002  # seconds a thread waits for the next request of a busy connection before giving the connection back
_MOST_THREADS = 512
_PLAIN_ON_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"This port speaks HTTPS only.\r\n"
)


class Request(HTTPRequest):
    """cheroot's parsing, with its own refusals told apart from the service's answers."""

    def __init__(self, server: Any, conn: Any, **options: Any) -> None:
        super().__init__(server, conn, **options)
        self.refusal = ""

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer what is no usable HTTP request; cheroot calls this before a service is reached."""
        self.refusal = f"{status}: {msg}" if msg else str(status)
        self.close_connection = True
        super().simple_response(status, msg)


class Connection(HTTPConnection):
    """One connection: handshake once, then exchanges."""

    RequestHandlerClass = Request

    def __init__(self, server: Listener, sock: socket.socket, _makefile: object = None) -> None:
        super().__init__(server, sock, lambda s, mode, _size: Reader(s) if "r" in mode else Writer(s, server.timeout))
        self.peer: Peer | None = None
        self.shaken = server.contexts is None

    def communicate(self) -> bool:
        """Serve the requests that are here; return True when the connection stays open for more."""
        server: Listener = self.server
        if not self.shaken:
            if not self._shake_hands(server):
                return False
            self.shaken = True
        if self.peer is None:
            self.peer = Peer(self.remote_addr or "", self.remote_port or 0)
        while self._serve_one(server):
            if server.stopping.is_set():
                return False
            if not self.rfile.ready_within(_LINGER):
                return True
        return False

    # -- TLS

    def _shake_hands(self, server: Listener) -> bool:
        """Bring TLS up; a handshake that fails is recorded, with what the client said and showed."""
        contexts = server.contexts
        if contexts is None:
            return True
        started, deadline = datetime.now(UTC), time.monotonic() + server.core.settings.request_timeout
        seen = Handshake()
        outcome = Outcome.HANDSHAKE_FAILED
        try:
            seen.first = greet(self.socket, deadline)
            seen.hello = parse(seen.first)
        except NotTls:
            return self._refuse_plain(server, started)
        except TimeoutError:
            seen.problem, outcome = "no ClientHello in time", Outcome.TIMEOUT
        except SaidNothing:
            return False
        except OSError as error:
            seen.problem = explain(error)
        if seen.hello is None:
            self._record_handshake(server, seen, started, outcome, "")
            return False
        campaign, fault = server.tls_fault(seen.hello)
        if fault == "refuse":
            self._record_handshake(server, seen, started, Outcome.FAULT_INJECTED, fault, campaign)
            self._reset()
            return False
        return self._handshake(server, contexts, seen, started, deadline, campaign, fault)

    def _handshake(
        self,
        server: Listener,
        contexts: Contexts,
        seen: Handshake,
        started: datetime,
        deadline: float,
        campaign: str,
        fault: str,
    ) -> bool:
        self.socket.settimeout(max(0.1, deadline - time.monotonic()))
        sni = seen.hello.sni if seen.hello else ""
        context = contexts.get(fault, sni if server.campaign_of_host(sni) else "")
        secured = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True)
        self.socket = self.rfile.socket = self.wfile.socket = secured
        try:
            secured.do_handshake()
        except (TimeoutError, ConnectionError, ssl.SSLError, OSError) as error:
            seen.problem = explain(error)
            seen.alert = alert_of(seen.problem)
            seen.presented = contexts.shown(secured)
            outcome = Outcome.TIMEOUT if isinstance(error, TimeoutError) else Outcome.HANDSHAKE_FAILED
            self._record_handshake(server, seen, started, outcome, fault, campaign)
            return False
        contexts.shown(secured)
        der = secured.getpeercert(binary_form=True) or b""
        cipher = secured.cipher()
        self.peer = Peer(
            self.remote_addr or "",
            self.remote_port or 0,
            describe(der) if der else None,
            der,
            secured.version() or "",
            cipher[0] if cipher else "",
            sni,
        )
        if fault:  # the client went through with a certificate it should have refused: worth a record of its own
            self._record_handshake(server, seen, started, Outcome.FAULT_INJECTED, fault, campaign)
        return True

    def _record_handshake(
        self, server: Listener, seen: Handshake, started: datetime, outcome: Outcome, fault: str, campaign: str = ""
    ) -> None:
        """Record a handshake that failed, or one that went through under a fault."""
        draft = server.open_draft(campaign or server.campaign_of_hello(seen.hello), self._peer_name())
        draft.protocol, draft.operation, draft.outcome, draft.started_at = "tls", "TLS", outcome, started
        draft.request = seen.first
        completed = self.peer is not None
        notes.handshake(draft, seen, fault, completed)
        server.record(draft)

    def _refuse_plain(self, server: Listener, started: datetime) -> bool:
        """Answer plain HTTP on a TLS port in plain HTTP, recorded."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(1)
            first = self.socket.recv(64 * 1024)
            draft = server.open_draft("", self._peer_name())
            draft.protocol, draft.operation, draft.outcome, draft.started_at = "tls", "TLS", Outcome.HANDSHAKE_FAILED, started
            draft.request, draft.response, draft.status = first, _PLAIN_ON_TLS, 400
            notes.plain_on_tls(draft, first)
            server.record(draft)
            self.socket.sendall(_PLAIN_ON_TLS)
        return False

    # -- HTTP

    def _serve_one(self, server: Listener) -> bool:
        """Serve one request; True when the connection may carry another."""
        limit = server.core.settings.request_timeout
        self.rfile.start(limit)
        draft = server.open_draft("", self._peer_name())
        draft.started_at = datetime.now(UTC)
        request = Request(server, self)
        keep, kind = False, ""
        try:
            request.parse_request()
            if request.ready:
                kind = respond.answer(self, server, request, draft)
                keep = not request.close_connection and not kind
            elif request.refusal:
                notes.refused(draft, request.refusal)
            elif not self.rfile.tape:
                return False  # the caller closed an idle connection
            else:
                notes.gone(draft, "the connection ended inside the request's head")
        except TooSlow as error:
            if not self.rfile.tape:
                return False
            self.wfile.discard()
            request.simple_response("408 Request Timeout", "The request was not sent in time.")
            notes.too_slow(draft, str(error), limit)
        except CallerGone as error:
            if not self.rfile.tape:
                return False
            self.wfile.discard()
            notes.gone(draft, str(error))
        except (errors.MaxSizeExceeded, ValueError) as error:
            self.wfile.discard()
            request.simple_response("400 Bad Request", "The request could not be read.")
            notes.refused(draft, f"400 Bad Request: {error}")
        return self._finish(server, request, draft, keep, kind)

    def _finish(self, server: Listener, request: Request, draft: Draft, keep: bool, kind: str) -> bool:
        """Commit the exchange, then let the answer go; no commit, no answer."""
        draft.request = bytes(self.rfile.tape)
        draft.response = b"" if kind in ("reset", "timeout") else self.wfile.held
        if draft.status is None and draft.response.startswith(b"HTTP/1."):
            draft.status = int(draft.response[9:12])
        try:
            exchange_id, seq = server.core.journal.commit(draft)
        except JournalError:
            log.exception("an exchange could not be recorded; its answer is withheld")
            self.wfile.discard()
            request.simple_response("500 Internal Server Error", "The sandbox could not record this call.")
            with contextlib.suppress(OSError):
                self.wfile.release()
            return False
        if kind in ("reset", "timeout"):
            self._reset()
            return False
        try:
            self.wfile.release()
        except OSError as error:
            server.core.journal.event(
                draft.campaign, "delivery.failed", {"exchange": exchange_id, "seq": seq, "problem": explain(error)}
            )
            return False
        if not keep and draft.outcome is not Outcome.ANSWERED:
            self._half_close()
        return keep

    def _half_close(self) -> None:
        """Let a caller that is still sending read its refusal instead of a connection reset."""
        with contextlib.suppress(OSError):
            if not isinstance(self.socket, ssl.SSLSocket):
                self.socket.shutdown(socket.SHUT_WR)
        self.rfile.drain(64 * 1024 * 1024, 1.0)

    def _reset(self) -> None:
        """Close with a TCP reset."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw = self.socket.detach()
            socket.socket(fileno=raw).close()

    def _peer_name(self) -> str:
        return f"{self.remote_addr}:{self.remote_port}"

    def close(self) -> None:
        """Close the connection; a socket already reset has nothing left to close."""
        if self.socket.fileno() >= 0:
            with contextlib.suppress(OSError, ssl.SSLError):
                super().close()

    def caller_left(self) -> bool:
        """Tell whether the caller closed its side while it waits for an answer."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))


class Listener(HTTPServer):
    """One door of one service, on its own thread."""

    ConnectionClass = Connection
    keep_alive_conn_limit = None  # type: ignore[assignment]  # cheroot's stub forgets that None means no limit
    expiration_interval = 0.2

    def __init__(self, core: Core, spec: ListenerSpec, port: int) -> None:
        super().__init__((core.settings.host, port), respond.Unused, minthreads=4, maxthreads=_MOST_THREADS)
        self.core = core
        self.spec = spec
        self.contexts = Contexts(spec.name, spec.tls, core.authority) if spec.tls is not None else None
        self.scheme = "https" if spec.tls is not None else "http"
        self.server_name = "segur-sandbox"
        self.request_queue_size = 512
        self.timeout = 60
        self.shutdown_timeout = 1
        self.max_request_header_size = core.settings.max_header
        self.max_request_body_size = core.settings.max_body
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # -- life

    def open(self) -> int:
        """Bind and serve on a thread of its own; return the port.

        Raises:
            OSError: the address can't be bound.
        """
        self.prepare()
        self._thread = threading.Thread(target=self.serve, name=f"listener-{self.spec.name}", daemon=True)
        self._thread.start()
        port: int = self.bind_addr[1]
        return port

    def shut(self) -> None:
        """Stop serving; calls under way get a moment to end."""
        self.stopping.set()
        self.stop()
        if self._thread is not None:
            self._thread.join(2)

    def process_conn(self, conn: Connection) -> None:
        """Hand a connection to a worker; slow callers never take the last one."""
        pool = self.requests
        if pool.idle <= pool.qsize and len(pool._threads) < _MOST_THREADS:
            pool.grow(1)
        super().process_conn(conn)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Send cheroot's words to our log."""
        log.log(level, "%s: %s", self.spec.name, msg, exc_info=traceback)

    # -- what connections ask

    def campaign_of_hello(self, hello: ClientHello | None) -> str:
        """Return the campaign a server name belongs to (`demo.localhost`), or `default`."""
        return self.campaign_of_host(hello.sni if hello else "") or "default"

    def campaign_of_host(self, host: str) -> str:
        """Return the campaign a host name carries, or nothing."""
        name = host.rsplit(":", 1)[0].lower()
        for base in ("localhost", self.core.settings.public_host.lower()):
            if name.endswith(f".{base}"):
                label = name[: -len(base) - 1]
                if self.core.campaigns.get(label) is not None:
                    return label
        return ""

    def tls_fault(self, hello: ClientHello) -> tuple[str, str]:
        """Return the campaign of a handshake and the kind of the TLS fault that strikes it, or nothing."""
        name = self.campaign_of_hello(hello)
        struck = self.core.faults.take(self.core.campaigns.need(name), frozenset({"tls"}), self.spec.service, "TLS")
        return name, struck[0].kind if struck else ""

    def open_draft(self, campaign: str, peer: str) -> Draft:
        """Open an exchange in a campaign (`default` until it is told)."""
        found = self.core.campaigns.need(campaign or "default")
        draft = Draft(found.name, self.spec.service, self.spec.name, self.scheme, peer=peer, slice_id=found.slice_id)
        draft.campaign_time = found.now()
        return draft

    def record(self, draft: Draft) -> None:
        """Record an exchange that has no answer to withhold; a journal that fails is logged, the caller being gone."""
        try:
            self.core.journal.commit(draft)
        except JournalError:
            log.exception("an exchange could not be recorded")
