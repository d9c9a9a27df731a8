"""What a service is handed and what it gives back; nothing here knows sockets.

A service is a function `Call -> Reply`. It fills in `call.draft` as it understands the call (operation, summary,
terms, findings) and asks `call.faults(...)` once it knows operation and identity. The listener has opened the draft,
and commits it with the bytes of both sides before a single byte of the answer leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from segur.campaign.model import Campaign, Fault
from segur.journal.model import Draft


@dataclass(frozen=True, slots=True)
class Peer:
    """The caller's end of the connection.

    Attributes:
        address / port: of the caller.
        certificate: what `segur.pki.describe` says of the client certificate, or None without one.
        tls_version / cipher: negotiated, empty on a plain listener.
        sni: server name the client asked for, or empty.
    """

    address: str
    port: int
    certificate: Mapping[str, Any] | None = None
    certificate_der: bytes = b""
    tls_version: str = ""
    cipher: str = ""
    sni: str = ""


@dataclass(slots=True)
class Reply:
    """An answer. `headers` need no Content-Length, Date or Connection: the listener adds them."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)


class FaultStruck(Exception):
    """A fault that ends the call then and there (reset, timeout, HTTP error); the listener carries it out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


@dataclass(slots=True)
class Call:
    """One HTTP request, whole.

    Attributes:
        campaign: the campaign it belongs to.
        method / path / query: the path has lost its `/c/<campaign>` prefix and is percent-decoded.
        prefix: that prefix (`/c/demo`) or empty: links in answers need it.
        headers: pairs in the order they came; `header()` looks one up.
        body: decoded from chunks, never truncated.
        now: the campaign's moment at which the call came in.
        draft: the exchange under way.
    """

    campaign: Campaign
    method: str
    path: str
    query: str
    prefix: str
    host: str
    scheme: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: Peer
    now: datetime
    draft: Draft
    take_faults: Callable[[str, str], list[Fault]]
    sleep: Callable[[float], None]
    broken_answer: bool = False
    faults_asked: bool = False

    def header(self, name: str) -> str:
        """Return the value of a header (first occurrence), or an empty text."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")

    @property
    def content_type(self) -> str:
        """Return the media type of the body, lower case, without parameters."""
        return self.header("Content-Type").split(";", 1)[0].strip().lower()

    @property
    def base_url(self) -> str:
        """Return `scheme://host/prefix` as the caller wrote it, for links."""
        return f"{self.scheme}://{self.host}{self.prefix}"

    def faults(self, operation: str = "", identity: str = "") -> Fault | None:
        """Strike the call with the faults set for it; call it once, when operation and identity are known.

        Delays are waited for here. Returns the `soap_fault` to answer with, if any.

        Raises:
            FaultStruck: a fault that leaves nothing to answer; let it pass through.
        """
        self.faults_asked = True
        answer: Fault | None = None
        for fault in self.take_faults(operation, identity):
            self.draft.summary.setdefault("fault_injected", fault.kind)
            if fault.kind == "delay":
                self.sleep(float(fault.params["seconds"]))
            elif fault.kind == "broken_xml":
                self.broken_answer = True
            elif fault.kind == "soap_fault":
                answer = fault
            else:
                raise FaultStruck(fault)
        return answer


Handler = Callable[[Call], Reply]
