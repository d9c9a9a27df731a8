"""Campaigns, faults and overrides as plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DEFAULT = "default"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z")


class CampaignError(ValueError):
    """A campaign, fault or override that can't be; the message says why. `status` is the HTTP status to give."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault: when it strikes and which parameters it takes (name → default)."""

    stage: str  # `tls` before the handshake, `request` once the call is understood, `answer` on the finished answer
    params: Mapping[str, Any]
    label_fr: str
    label_en: str


FAULT_KINDS: Mapping[str, FaultKind] = {
    "refuse": FaultKind("tls", {}, "connexion refusée (RST à l'ouverture)", "connection refused (RST on accept)"),
    "tls_expired": FaultKind("tls", {}, "certificat serveur expiré", "expired server certificate"),
    "tls_revoked": FaultKind("tls", {}, "certificat serveur révoqué", "revoked server certificate"),
    "tls_other_ca": FaultKind("tls", {}, "certificat serveur d'une autre autorité", "server certificate of another authority"),
    "tls_wrong_host": FaultKind("tls", {}, "certificat serveur d'un autre nom", "server certificate for another name"),
    "tls_old_version": FaultKind("tls", {}, "TLS 1.0/1.1 seulement", "TLS 1.0/1.1 only"),
    "reset": FaultKind("request", {}, "connexion coupée sans réponse", "connection reset without an answer"),
    "delay": FaultKind("request", {"seconds": 5.0}, "réponse lente", "slow answer"),
    "timeout": FaultKind("request", {"seconds": 60.0}, "aucune réponse", "no answer at all"),
    "http_error": FaultKind("request", {"status": 503}, "erreur HTTP avec page HTML", "HTTP error with an HTML page"),
    "broken_xml": FaultKind("answer", {}, "réponse XML tronquée", "truncated XML answer"),
    "soap_fault": FaultKind("request", {"code": ""}, "fault SOAP du service, par code", "the service's SOAP fault, by code"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject. Empty `operation` or `identity` = any; `remaining` None = until lifted."""

    id: str
    kind: str
    service: str
    operation: str = ""
    identity: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    remaining: int | None = None
    probability: float | None = None
    seed: int = 0
    considered: int = 0

    @property
    def stage(self) -> str:
        """When it strikes: see `FaultKind.stage`."""
        return FAULT_KINDS[self.kind].stage

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as JSON types."""
        return {
            "id": self.id,
            "kind": self.kind,
            "service": self.service,
            "operation": self.operation,
            "identity": self.identity,
            "params": dict(self.params),
            "remaining": self.remaining,
            "probability": self.probability,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Override:
    """What one identity answers in one campaign, instead of what the world says.

    `traits`: traits returned instead (`birth_name`, `given_names` space-separated, `sex`, `birth_date`, `birth_place`).
    `answer`: forced code (`01`, `02`, `insi_102`…) or empty. `verify`: `OK`, `KO` or empty. `remaining`: calls left or None.
    """

    id: str
    identity: str
    traits: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    verify: str = ""
    remaining: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the override as JSON types."""
        return {
            "id": self.id,
            "identity": self.identity,
            "traits": dict(self.traits),
            "answer": self.answer,
            "verify": self.verify,
            "remaining": self.remaining,
        }


@dataclass(frozen=True, slots=True)
class Clock:
    """The campaign's clock: the wall clock moved by `offset` seconds, or standing at `frozen`."""

    offset: float = 0.0
    frozen: datetime | None = None

    def now(self, wall: datetime | None = None) -> datetime:
        """Return the campaign's present moment (UTC)."""
        if self.frozen is not None:
            return self.frozen
        return (wall or datetime.now(UTC)) + timedelta(seconds=self.offset)


@dataclass(frozen=True, slots=True)
class Campaign:
    """An isolated run. `slice_id` is the number every row of its state carries; a reset gives it a new one."""

    name: str
    slice_id: int
    created_at: str
    profiles: tuple[str, ...]
    declared: tuple[str, ...]
    settings: Mapping[str, Any]
    strict: bool
    clock: Clock
    faults: tuple[Fault, ...] = ()
    overrides: tuple[Override, ...] = ()

    def now(self) -> datetime:
        """Return the campaign's present moment."""
        return self.clock.now()

    def as_dict(self) -> dict[str, Any]:
        """Return what the control API shows of the campaign."""
        return {
            "name": self.name,
            "created_at": self.created_at,
            "profiles": list(self.profiles),
            "declared": list(self.declared),
            "settings": dict(self.settings),
            "strict": self.strict,
            "clock": {
                "now": self.now().isoformat(),
                "offset": self.clock.offset,
                "frozen": self.clock.frozen.isoformat() if self.clock.frozen else None,
            },
            "faults": [fault.as_dict() for fault in self.faults],
            "overrides": [override.as_dict() for override in self.overrides],
        }
