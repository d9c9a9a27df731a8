"""The one record every service writes and everything else reads: an exchange and its findings.

An exchange is a plain value: views, verdicts and exports read it and nothing else. It is the same
for HTTP, SOAP, a TLS handshake that failed, SMTP, IMAP, and for what the operator of a test did
(`kind` = `event`: a step opened, a statement, a fault set), so that a journal tells a whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How grave a finding is; the values are the ones screens and files show."""

    ERREUR = "erreur"
    AVERTISSEMENT = "avertissement"
    INFORMATION = "information"


class Outcome(StrEnum):
    """How an exchange ended, seen from the sandbox."""

    ANSWERED = "answered"  # the service's own answer, good or refusing
    FAULT_INJECTED = "fault_injected"  # a fault somebody asked for replaced or broke the answer
    REFUSED = "refused"  # refused before the service saw it: path, method, size, campaign
    UNPARSABLE = "unparsable"  # bytes that are no message of the protocol
    HANDSHAKE_FAILED = "handshake_failed"
    CLIENT_GONE = "client_gone"  # the caller left before its request was whole
    TIMEOUT = "timeout"  # the caller was too slow
    BROKEN = "broken"  # the sandbox itself failed: always worth a bug report
    EVENT = "event"  # not a call: an operator's act


@dataclass(frozen=True, slots=True)
class Finding:
    """A constat: one deviation from the contract, in words.

    Attributes:
        code: stable identifier, `SERVICE.SUBJECT.CASE` (`INSI.TRAITS.MINUSCULES`).
        severity: see `Severity`.
        where: XPath, header or field the reader can go to.
        seen: what came, shortened to what matters.
        expected: what the contract asks for, in French.
        source: the requirement or specification paragraph it comes from.
        message_fr / message_en: one sentence saying what is wrong and what to do.
        official: False where the sandbox had to guess the rule or the format.
    """

    code: str
    severity: Severity
    where: str
    seen: str
    expected: str
    source: str
    message_fr: str
    message_en: str
    official: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON types; `from_dict` reads it back."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "where": self.where,
            "seen": self.seen,
            "expected": self.expected,
            "source": self.source,
            "message_fr": self.message_fr,
            "message_en": self.message_en,
            "official": self.official,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Finding:
        """Read what `as_dict` wrote."""
        return cls(**{**raw, "severity": Severity(raw["severity"])})


@dataclass(slots=True)
class Draft:
    """An exchange under way: opened when the first byte comes, closed by `Journal.record`.

    Attributes:
        campaign: name of the campaign the call belongs to.
        service: `insi`, `psc`…; `sandbox` for events.
        listener: `insi.mtls`, `insi.cpx`… the door it came through.
        protocol: `https`, `tls`, `http`, `event`…
        operation: the specification's own name, empty when it could not be told.
        actor: who called: `kind` (`certificate`, `anonymous`, `operator`…), `subject`, `issuer`,
            `serial`, `fingerprint`, `tls_version`, `cipher`, `sni`…
        peer: `address:port` of the caller.
        request / response: raw bytes as they were on the wire (after TLS).
        status: protocol status (HTTP status) or None.
        summary: the typed facts that scenarios look at; JSON types only.
        terms: words the journal's search finds it by (names, matricules, message ids…).
        slice_id: the campaign's slice when the call came in; a reset under way doesn't move the call.
    """

    campaign: str
    service: str
    listener: str
    protocol: str
    operation: str = ""
    outcome: Outcome = Outcome.ANSWERED
    actor: dict[str, Any] = field(default_factory=dict)
    peer: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    campaign_time: datetime | None = None
    request: bytes = b""
    response: bytes = b""
    status: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    terms: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    slice_id: int | None = None

    def find(self, finding: Finding) -> None:
        """Add a finding."""
        self.findings.append(finding)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A committed exchange. `seq` counts from 1 inside its campaign; `hash` chains it to the one before.

    Raw bytes are not carried here: `request_sha` / `response_sha` name them (`Journal.body`).
    """

    id: str
    seq: int
    campaign: str
    service: str
    listener: str
    protocol: str
    operation: str
    outcome: Outcome
    actor: Mapping[str, Any]
    peer: str
    started_at: datetime
    ended_at: datetime
    campaign_time: datetime
    request_sha: str
    request_length: int
    response_sha: str
    response_length: int
    status: int | None
    summary: Mapping[str, Any]
    findings: tuple[Finding, ...]
    prev_hash: str
    hash: str

    @property
    def kind(self) -> str:
        """`event` for an operator's act, else `exchange`."""
        return "event" if self.outcome is Outcome.EVENT else "exchange"

    @property
    def worst(self) -> Severity | None:
        """The gravest severity among the findings."""
        for severity in Severity:
            if any(finding.severity is severity for finding in self.findings):
                return severity
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the exchange as JSON types, the form of exports and of the control API."""
        return {
            "id": self.id,
            "seq": self.seq,
            "kind": self.kind,
            "campaign": self.campaign,
            "service": self.service,
            "listener": self.listener,
            "protocol": self.protocol,
            "operation": self.operation,
            "outcome": self.outcome.value,
            "actor": dict(self.actor),
            "peer": self.peer,
            "started_at": format_time(self.started_at),
            "ended_at": format_time(self.ended_at),
            "campaign_time": format_time(self.campaign_time),
            "request_sha": self.request_sha,
            "request_length": self.request_length,
            "response_sha": self.response_sha,
            "response_length": self.response_length,
            "status": self.status,
            "summary": dict(self.summary),
            "findings": [finding.as_dict() for finding in self.findings],
            "prev_hash": self.prev_hash,
            "hash": self.hash,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Exchange:
        """Read what `as_dict` wrote (an exported journal)."""
        fields = {name: raw[name] for name in cls.__slots__}
        fields["outcome"] = Outcome(raw["outcome"])
        for name in ("started_at", "ended_at", "campaign_time"):
            fields[name] = parse_time(raw[name])
        fields["findings"] = tuple(Finding.from_dict(item) for item in raw["findings"])
        return cls(**fields)


def format_time(moment: datetime) -> str:
    """Write a moment as ISO 8601 UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """Read what `format_time` wrote."""
    return datetime.fromisoformat(text)
