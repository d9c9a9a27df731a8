"""IGC-Santé publication point: where certificates say their authority and its revocation list are to be had.

Plain HTTP, as the real one; each download is recorded, because "the DUI looked at the CRL" is a fact scenarios ask for.
"""

from __future__ import annotations

from typing import Any

from segur.journal.model import Outcome
from segur.wire.core import Core, ListenerSpec
from segur.wire.http.call import Call, Reply


class IgcService:
    """The publication point; `Authority.published()` says what it holds."""

    name = "igc"

    def __init__(self, core: Core) -> None:
        self._core = core

    def listeners(self) -> list[ListenerSpec]:
        """Return its one door, plain HTTP."""
        return [ListenerSpec("igc.http", "igc", 8480, self.handle)]

    def env(self, campaign: str) -> dict[str, Any]:  # noqa: ARG002 - the same for every campaign
        """Return nothing of its own: `crl_url` is a top-level member."""
        return {}

    def handle(self, call: Call) -> Reply:
        """Answer a download: 200 with the file, 404 for another path, 405 for another method."""
        call.draft.operation = "CRL" if call.path.startswith("/crl/") else "AC"
        call.draft.summary["path"] = call.path
        call.faults(call.draft.operation)
        if call.method not in ("GET", "HEAD"):
            call.draft.outcome = Outcome.REFUSED
            return Reply(405, b"Method Not Allowed\n", headers=[("Allow", "GET, HEAD")])
        published = self._core.authority.published().get(call.path)
        if published is None:
            call.draft.outcome = Outcome.REFUSED
            return Reply(404, b"Not Found\n")
        content, content_type = published
        return Reply(200, content, content_type)
