"""Faults and identity overrides: set, lifted, and used up call by call."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, update

from segur.campaign import tables as t
from segur.campaign.campaigns import Campaigns, bump
from segur.campaign.model import FAULT_KINDS, Campaign, CampaignError, Fault, Override
from segur.store.engine import writing

_LONGEST_DELAY = 600.0


def check(kind: str, params: dict[str, Any], remaining: int | None, probability: float | None) -> dict[str, Any]:
    """Return the parameters of a fault with their defaults.

    Raises:
        CampaignError: unknown kind or parameter, or a value out of range; the message says which.
    """
    if kind not in FAULT_KINDS:
        raise CampaignError(f"unknown fault kind {kind!r}; known: {', '.join(FAULT_KINDS)}")
    defaults = dict(FAULT_KINDS[kind].params)
    for name in params:
        if name not in defaults:
            raise CampaignError(f"fault {kind}: unknown parameter {name!r}; known: {', '.join(defaults) or 'none'}")
    full = {**defaults, **params}
    if "seconds" in full and not 0 <= float(full["seconds"]) <= _LONGEST_DELAY:
        raise CampaignError(f"fault {kind}: seconds must lie between 0 and {_LONGEST_DELAY:g}")
    if "status" in full and not 500 <= int(full["status"]) <= 599:
        raise CampaignError(f"fault {kind}: status must lie between 500 and 599")
    if remaining is not None and remaining < 1:
        raise CampaignError("times: at least 1, or absent for a fault that stays until it is lifted")
    if probability is not None and not 0 < probability <= 1:
        raise CampaignError("probability: more than 0, at most 1")
    return full


def strikes(fault: Fault, considered: int) -> bool:
    """Tell whether a fault strikes the `considered`-th call it could strike; same seed, same draw."""
    if fault.probability is None:
        return True
    digest = hashlib.sha256(f"{fault.seed}:{considered}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < fault.probability


class Faults:
    """The faults of all campaigns, over `Campaigns`."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def add(
        self,
        campaign: str,
        kind: str,
        service: str,
        *,
        operation: str = "",
        identity: str = "",
        params: dict[str, Any] | None = None,
        times: int | None = None,
        probability: float | None = None,
        seed: int = 0,
    ) -> Fault:
        """Set a fault for the next `times` calls, or until it is lifted.

        Raises:
            CampaignError: a kind, parameter or value that can't be.
        """
        full = check(kind, params or {}, times, probability)
        slice_id = self._campaigns.need(campaign).slice_id
        fault = Fault(secrets.token_hex(6), kind, service, operation, identity, full, times, probability, seed)
        with writing(self._campaigns.engine) as connection:
            values = {**fault.as_dict(), "campaign_id": slice_id, "considered": 0}
            connection.execute(insert(t.faults).values(**values))
            bump(connection)
        return fault

    def lift(self, campaign: str, fault_id: str | None = None) -> int:
        """Lift one fault, or all of a campaign; return how many were lifted."""
        query = delete(t.faults).where(t.faults.c.campaign_id == self._campaigns.need(campaign).slice_id)
        if fault_id is not None:
            query = query.where(t.faults.c.id == fault_id)
        with writing(self._campaigns.engine) as connection:
            lifted = connection.execute(query).rowcount
            bump(connection)
        return lifted

    def take(
        self, campaign: Campaign, stages: frozenset[str], service: str, operation: str = "", identity: str = ""
    ) -> list[Fault]:
        """Return the faults that strike this call and count them down.

        A fault with a count is used up atomically: two calls at the same time never share its last use.
        """
        struck: list[Fault] = []
        for fault in campaign.faults:
            if fault.stage not in stages or fault.service not in ("", service):
                continue
            if (fault.operation and fault.operation != operation) or (fault.identity and fault.identity != identity):
                continue
            if (fault.remaining is None and fault.probability is None) or self._use(fault):
                struck.append(fault)
        return struck

    def _use(self, fault: Fault) -> bool:
        with writing(self._campaigns.engine) as connection:
            row = connection.execute(
                update(t.faults)
                .where(t.faults.c.id == fault.id)
                .values(considered=t.faults.c.considered + 1)
                .returning(t.faults.c.considered, t.faults.c.remaining)
            ).first()
            if row is None or not strikes(fault, int(row[0])):
                return False
            remaining = row[1]
            if remaining is None:
                return True
            if remaining <= 1:
                connection.execute(delete(t.faults).where(t.faults.c.id == fault.id))
            else:
                connection.execute(update(t.faults).where(t.faults.c.id == fault.id).values(remaining=remaining - 1))
            bump(connection)
        return True


class Overrides:
    """What single identities answer in a campaign instead of what the world says."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns

    def add(
        self,
        campaign: str,
        identity: str,
        *,
        traits: dict[str, str] | None = None,
        answer: str = "",
        verify: str = "",
        times: int | None = None,
    ) -> Override:
        """Override an identity for its next `times` calls, or until cleared.

        Raises:
            CampaignError: nothing to override, or a value that can't be.
        """
        known = {"birth_name", "given_names", "sex", "birth_date", "birth_place"}
        for name in traits or {}:
            if name not in known:
                raise CampaignError(f"override: unknown trait {name!r}; known: {', '.join(sorted(known))}")
        if verify not in ("", "OK", "KO"):
            raise CampaignError("override: verify is OK or KO")
        if not (traits or answer or verify):
            raise CampaignError("override: give at least one of traits, answer, verify")
        if times is not None and times < 1:
            raise CampaignError("override: times is at least 1, or absent")
        override = Override(secrets.token_hex(6), identity, traits or {}, answer, verify, times)
        with writing(self._campaigns.engine) as connection:
            values = {**override.as_dict(), "campaign_id": self._campaigns.need(campaign).slice_id}
            connection.execute(insert(t.overrides).values(**values))
            bump(connection)
        return override

    def clear(self, campaign: str, override_id: str | None = None) -> int:
        """Clear one override, or all of a campaign; return how many were cleared."""
        query = delete(t.overrides).where(t.overrides.c.campaign_id == self._campaigns.need(campaign).slice_id)
        if override_id is not None:
            query = query.where(t.overrides.c.id == override_id)
        with writing(self._campaigns.engine) as connection:
            cleared = connection.execute(query).rowcount
            bump(connection)
        return cleared

    def take(self, campaign: Campaign, identity: str) -> Override | None:
        """Return the override in force for one call about `identity`, counting it down; several merge, the newest winning."""
        merged: Override | None = None
        for override in campaign.overrides:
            if override.identity != identity:
                continue
            if override.remaining is not None and not self._use(override):
                continue
            if merged is None:
                merged = override
            else:
                merged = replace(
                    merged,
                    traits={**merged.traits, **override.traits},
                    answer=override.answer or merged.answer,
                    verify=override.verify or merged.verify,
                )
        return merged

    def _use(self, override: Override) -> bool:
        with writing(self._campaigns.engine) as connection:
            row = connection.execute(
                update(t.overrides)
                .where(t.overrides.c.id == override.id, t.overrides.c.remaining > 0)
                .values(remaining=t.overrides.c.remaining - 1)
                .returning(t.overrides.c.remaining)
            ).first()
            if row is None:
                return False
            if row[0] == 0:
                connection.execute(delete(t.overrides).where(t.overrides.c.id == override.id))
            bump(connection)
        return True
