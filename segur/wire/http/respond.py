"""From a parsed request to a held-back answer: body, campaign, service, faults."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING, Any

from cheroot.server import ChunkedRFile, KnownLengthRFile

from segur.campaign.model import Campaign, Fault
from segur.journal.model import Draft, Outcome
from segur.wire.http import notes
from segur.wire.http.call import Call, FaultStruck, Peer, Reply

if TYPE_CHECKING:
    from segur.wire.http.server import Connection, Listener, Request

_REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently",
    302: "Found", 303: "See Other", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict",
    411: "Length Required", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
    416: "Range Not Satisfiable", 422: "Unprocessable Content", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip

_REQUEST_STAGES = frozenset({"request", "answer"})


class Unused:
    """cheroot wants a gateway class; calls go through `answer` instead."""


class CampaignUnknown(LookupError):
    """A `/c/<name>/` prefix that names no campaign."""


def answer(connection: Connection, server: Listener, request: Request, draft: Draft) -> str:
    """Read the body, have the service answer, and write its answer into the held-back writer.

    Returns the kind of a fault that leaves no answer (`reset`, `timeout`), else an empty text.
    """
    peer = connection.peer or Peer("", 0)
    headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.inheaders.items()]
    draft.actor = notes.actor(peer)
    body = _read_body(connection, server, request, draft)
    if body is None:
        return ""
    path = request.path.decode("utf-8", "replace")
    host = request.inheaders.get(b"Host", b"").decode("latin-1") or f"{server.core.settings.public_host}"
    try:
        campaign, prefix, rest = locate(server, path, host, peer)
    except CampaignUnknown as error:
        notes.unknown_campaign(draft, str(error))
        _write(request, Reply(404, f"no campaign named {error}\n".encode()))
        return ""
    draft.campaign, draft.slice_id, draft.campaign_time = campaign.name, campaign.slice_id, campaign.now()
    call = Call(
        campaign=campaign,
        method=request.method.decode("latin-1"),
        path=rest,
        query=request.qs.decode("latin-1"),
        prefix=prefix,
        host=host,
        scheme=server.scheme,
        headers=headers,
        body=body,
        peer=peer,
        now=draft.campaign_time,
        draft=draft,
        take_faults=lambda operation, identity: _faults(server, campaign, operation, identity),
        sleep=lambda seconds: _sleep(connection, server, seconds),
    )
    try:
        reply = server.spec.handler(call)
        if not call.faults_asked:
            call.faults(draft.operation)
    except FaultStruck as struck:
        return _strike(connection, server, request, draft, struck.fault)
    except Exception as error:  # noqa: BLE001 - the sandbox's own bug: recorded with its trace, the listener lives on
        notes.broken(draft, error, traceback.format_exc())
        reply = Reply(500, b"The sandbox failed on this call; the journal has the details.\n")
    if call.broken_answer:
        draft.outcome = Outcome.FAULT_INJECTED
        reply.body = reply.body[: max(1, len(reply.body) * 2 // 3)]
    draft.status = reply.status
    _write(request, reply)
    return ""


def _read_body(connection: Connection, server: Listener, request: Request, draft: Draft) -> bytes | None:
    """Read the whole body; None when it was refused and the refusal is written."""
    limit = server.max_request_body_size
    if request.chunked_read:
        request.rfile = ChunkedRFile(connection.rfile, limit)
    else:
        length = int(request.inheaders.get(b"Content-Length", 0))
        if length < 0:
            request.simple_response("400 Bad Request", "Malformed Content-Length Header.")
            notes.refused(draft, request.refusal)
            return None
        request.rfile = KnownLengthRFile(connection.rfile, length)
    try:
        body: bytes = request.rfile.read()
        if request.chunked_read:
            for _ in request.rfile.read_trailer_lines() if request.rfile.closed else ():
                pass
    except OSError as error:
        if "Too Large" not in str(error):
            raise
        request.simple_response("413 Request Entity Too Large", "The entity sent exceeds the maximum allowed bytes.")
        notes.refused(draft, request.refusal)
        return None
    missing = 0 if request.chunked_read else int(request.inheaders.get(b"Content-Length", 0)) - len(body)
    if missing > 0:
        request.close_connection = True
        notes.gone(draft, f"the connection ended {missing} bytes before the end of the body")
        return None
    return body


def locate(server: Listener, path: str, host: str, peer: Peer) -> tuple[Campaign, str, str]:
    """Return the campaign of a call, the prefix its URL carried, and the path without it.

    In this order: URL prefix, host name, server name of TLS, client certificate, `default`.

    Raises:
        CampaignUnknown: the prefix names none.
    """
    campaigns = server.core.campaigns
    if path.startswith("/c/"):
        name, slash, rest = path[3:].partition("/")
        found = campaigns.get(name)
        if found is None:
            raise CampaignUnknown(name)
        return found, f"/c/{name}", slash + rest or "/"
    name = server.campaign_of_host(host) or (server.campaign_of_host(peer.sni) if peer.sni else "")
    if not name and peer.certificate is not None:
        issued_for = str(peer.certificate.get("campaign") or "")
        name = issued_for if issued_for and campaigns.get(issued_for) is not None else ""
    return campaigns.need(name or "default"), "", path


def _faults(server: Listener, campaign: Campaign, operation: str, identity: str) -> list[Fault]:
    return server.core.faults.take(campaign, _REQUEST_STAGES, server.spec.service, operation, identity)


def _sleep(connection: Connection, server: Listener, seconds: float) -> None:
    """Wait, but no longer than the caller or the sandbox lives."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if server.stopping.wait(min(left, 0.1)) or connection.caller_left():
            return


def _strike(connection: Connection, server: Listener, request: Request, draft: Draft, fault: Fault) -> str:
    """Carry out a fault that ends the call."""
    draft.outcome = Outcome.FAULT_INJECTED
    draft.summary["fault_injected"] = fault.kind
    request.close_connection = True
    if fault.kind == "http_error":
        status = int(fault.params["status"])
        reason = _REASONS.get(status, "Error")
        page = f"<html><head><title>{status} {reason}</title></head><body><h1>{reason}</h1></body></html>\n"
        draft.status = status
        _write(request, Reply(status, page.encode(), "text/html"))
        return ""
    if fault.kind == "timeout":
        _sleep(connection, server, float(fault.params["seconds"]))
    return fault.kind


def _write(request: Any, reply: Reply) -> None:
    """Write an answer the way cheroot does, complete with length."""
    request.status = f"{reply.status} {_REASONS.get(reply.status, 'Status')}".encode("latin-1")
    request.outheaders = [(b"Content-Type", reply.content_type.encode("latin-1"))] if reply.content_type else []
    request.outheaders += [(key.encode("latin-1"), value.encode("latin-1")) for key, value in reply.headers]
    request.outheaders.append((b"Content-Length", str(len(reply.body)).encode()))
    request.ensure_headers_sent()
    if request.method != b"HEAD":
        request.write(reply.body)
