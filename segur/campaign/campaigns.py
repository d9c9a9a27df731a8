"""Making, finding, resetting and dropping campaigns. Each takes milliseconds whatever the campaign holds.

A reset or a deletion only lets go of the slice number; rows of slices nobody points at are swept later.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from segur.campaign import tables as t
from segur.campaign.model import DEFAULT, NAME, Campaign, CampaignError, Clock, Fault, Override
from segur.store.engine import campaign_tables, counter, metadata, reading, writing


def bump(connection: Connection) -> None:
    """Tell every process that the campaigns changed; part of the change's own transaction."""
    connection.execute(update(t.versions).values(n=t.versions.c.n + 1))


class Campaigns:
    """The campaigns of one sandbox, cached per process until the shared version number moves."""

    def __init__(self, engine: Engine, *, strict: bool = False) -> None:
        self.engine = engine
        self._strict = strict
        self._lock = threading.Lock()
        self._read_version = counter(engine, "SELECT n FROM campaign_version")
        self._version = -1
        self._cache: dict[str, Campaign | None] = {}
        self._owners: dict[tuple[str, str], str | None] = {}
        with writing(engine) as connection:
            if connection.execute(select(t.versions.c.n)).first() is None:
                connection.execute(insert(t.versions).values(id=1, n=0))
            if connection.execute(select(t.campaigns.c.id).where(t.campaigns.c.name == DEFAULT)).first() is None:
                _insert(connection, DEFAULT, (), (), {}, strict)

    # -- finding

    def get(self, name: str) -> Campaign | None:
        """Return the live campaign of that name, or None."""
        self._refresh()
        with self._lock:
            if name in self._cache:
                return self._cache[name]
            version = self._version
        campaign = self._load(name)
        with self._lock:
            if version == self._version:
                self._cache[name] = campaign
        return campaign

    def need(self, name: str) -> Campaign:
        """Return the live campaign of that name.

        Raises:
            CampaignError: 404, there is none.
        """
        campaign = self.get(name)
        if campaign is None:
            raise CampaignError(f"no campaign named {name!r}", 404)
        return campaign

    def owner(self, kind: str, value: str) -> str | None:
        """Return the name of the campaign a credential was given to, or None."""
        self._refresh()
        key = (kind, value)
        with self._lock:
            if key in self._owners:
                return self._owners[key]
            version = self._version
        query = (
            select(t.campaigns.c.name)
            .join(t.credentials, t.credentials.c.campaign_id == t.campaigns.c.id)
            .where(t.credentials.c.kind == kind, t.credentials.c.value == value)
        )
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        name = str(row[0]) if row is not None and row[0] is not None else None
        with self._lock:
            if version == self._version and len(self._owners) < 10_000:
                self._owners[key] = name
        return name

    def names(self) -> list[str]:
        """Return the names of the live campaigns, sorted."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(t.campaigns.c.name).where(t.campaigns.c.name.is_not(None)).order_by(t.campaigns.c.name)
            )
            return [str(row[0]) for row in rows]

    # -- changing

    def create(
        self,
        name: str,
        *,
        profiles: Sequence[str] = (),
        declared: Sequence[str] = (),
        settings: dict[str, Any] | None = None,
        strict: bool | None = None,
    ) -> Campaign:
        """Make a campaign.

        Raises:
            CampaignError: 400 for a name that no URL or host name can carry, 409 for one in use.
        """
        if not NAME.match(name):
            raise CampaignError(f"campaign name {name!r}: 1 to 40 of a-z, 0-9 and -, no hyphen first or last")
        try:
            with writing(self.engine) as connection:
                _insert(connection, name, profiles, declared, settings or {}, self._strict if strict is None else strict)
                bump(connection)
        except IntegrityError as error:
            raise CampaignError(f"a campaign named {name!r} exists already", 409) from error
        return self.need(name)

    def reset(self, name: str) -> Campaign:
        """Empty a campaign: new journal slice and state, clock and faults gone; its profiles, settings and credentials stay."""
        campaign = self.need(name)
        with writing(self.engine) as connection:
            connection.execute(update(t.campaigns).where(t.campaigns.c.id == campaign.slice_id).values(name=None))
            fresh = _insert(connection, name, campaign.profiles, campaign.declared, dict(campaign.settings), campaign.strict)
            connection.execute(
                update(t.credentials).where(t.credentials.c.campaign_id == campaign.slice_id).values(campaign_id=fresh)
            )
            bump(connection)
        return self.need(name)

    def delete(self, name: str) -> None:
        """Drop a campaign and its snapshots; `default` can't be dropped."""
        if name == DEFAULT:
            raise CampaignError("the campaign 'default' always exists; reset it instead", 409)
        campaign = self.need(name)
        with writing(self.engine) as connection:
            connection.execute(update(t.campaigns).where(t.campaigns.c.id == campaign.slice_id).values(name=None))
            connection.execute(delete(t.credentials).where(t.credentials.c.campaign_id == campaign.slice_id))
            connection.execute(delete(t.snapshots).where(t.snapshots.c.campaign == name))
            bump(connection)

    def configure(
        self,
        name: str,
        *,
        profiles: Sequence[str] | None = None,
        declared: Sequence[str] | None = None,
        settings: dict[str, Any] | None = None,
        strict: bool | None = None,
    ) -> Campaign:
        """Change what is given; the rest stays."""
        campaign = self.need(name)
        values: dict[str, Any] = {}
        if profiles is not None:
            values["profiles"] = list(profiles)
        if declared is not None:
            values["declared"] = list(declared)
        if settings is not None:
            values["settings"] = settings
        if strict is not None:
            values["strict"] = strict
        if values:
            with writing(self.engine) as connection:
                connection.execute(update(t.campaigns).where(t.campaigns.c.id == campaign.slice_id).values(**values))
                bump(connection)
        return self.need(name)

    def bind(self, name: str, kind: str, value: str) -> None:
        """Say that a credential (certificate fingerprint, client_id…) belongs to a campaign."""
        campaign = self.need(name)
        with writing(self.engine) as connection:
            connection.execute(delete(t.credentials).where(t.credentials.c.kind == kind, t.credentials.c.value == value))
            connection.execute(insert(t.credentials).values(campaign_id=campaign.slice_id, kind=kind, value=value))
            bump(connection)

    # -- clock

    def set_clock(self, name: str, clock: Clock) -> Campaign:
        """Freeze or move the campaign's clock."""
        campaign = self.need(name)
        frozen = clock.frozen.astimezone(UTC).isoformat() if clock.frozen else None
        with writing(self.engine) as connection:
            connection.execute(
                update(t.campaigns)
                .where(t.campaigns.c.id == campaign.slice_id)
                .values(clock_offset=clock.offset, clock_frozen=frozen)
            )
            bump(connection)
        return self.need(name)

    # -- snapshots

    def snapshot(self, name: str, label: str) -> None:
        """Keep a copy of the campaign's state (settings, clock, faults, overrides, the services' state) under a label.

        The journal is no part of it: what happened can't be undone.
        """
        if not NAME.match(label):
            raise CampaignError(f"snapshot label {label!r}: 1 to 40 of a-z, 0-9 and -")
        campaign = self.need(name)
        with writing(self.engine) as connection:
            copy = _copy_slice(connection, campaign, None)
            connection.execute(delete(t.snapshots).where(t.snapshots.c.campaign == name, t.snapshots.c.label == label))
            connection.execute(insert(t.snapshots).values(campaign=name, label=label, slice_id=copy, created_at=_now()))

    def snapshots(self, name: str) -> list[dict[str, str]]:
        """Return the campaign's snapshots: `label`, `created_at`."""
        query = select(t.snapshots.c.label, t.snapshots.c.created_at).where(t.snapshots.c.campaign == name)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(t.snapshots.c.created_at))
            return [{"label": str(row[0]), "created_at": str(row[1])} for row in rows]

    def restore(self, name: str, label: str) -> Campaign:
        """Put the campaign's state back to a snapshot; its journal goes on."""
        campaign = self.need(name)
        query = select(t.snapshots.c.slice_id).where(t.snapshots.c.campaign == name, t.snapshots.c.label == label)
        with writing(self.engine) as connection:
            row = connection.execute(query).first()
            if row is None:
                raise CampaignError(f"campaign {name!r} has no snapshot {label!r}", 404)
            _replace_state(connection, int(row[0]), campaign.slice_id)
            bump(connection)
        return self.need(name)

    # -- sweeping

    def abandoned(self) -> list[int]:
        """Return slices that no name and no snapshot point at."""
        kept = select(t.snapshots.c.slice_id)
        with reading(self.engine) as connection:
            rows = connection.execute(select(t.campaigns.c.id).where(t.campaigns.c.name.is_(None), t.campaigns.c.id.not_in(kept)))
            return [int(row[0]) for row in rows]

    def sweep(self, slice_id: int) -> None:
        """Delete the rows of an abandoned slice (all but the journal's, which the journal deletes)."""
        with writing(self.engine) as connection:
            for table, column in campaign_tables().items():
                connection.execute(delete(metadata.tables[table]).where(metadata.tables[table].c[column] == slice_id))
            connection.execute(delete(t.campaigns).where(t.campaigns.c.id == slice_id))

    # -- inside

    def _refresh(self) -> None:
        """Forget the cached view when another change was committed, by this process or another."""
        version = self._read_version()
        with self._lock:
            if version != self._version:
                self._version = version
                self._cache.clear()
                self._owners.clear()

    def _load(self, name: str) -> Campaign | None:
        with reading(self.engine) as connection:
            row = connection.execute(select(t.campaigns).where(t.campaigns.c.name == name)).mappings().first()
            if row is None:
                return None
            slice_id = int(row["id"])
            faults = connection.execute(
                select(t.faults).where(t.faults.c.campaign_id == slice_id).order_by(t.faults.c.id)
            ).mappings()
            overrides = connection.execute(
                select(t.overrides).where(t.overrides.c.campaign_id == slice_id).order_by(t.overrides.c.id)
            ).mappings()
            frozen = row["clock_frozen"]
            return Campaign(
                name=name,
                slice_id=slice_id,
                created_at=row["created_at"],
                profiles=tuple(row["profiles"]),
                declared=tuple(row["declared"]),
                settings=row["settings"],
                strict=bool(row["strict"]),
                clock=Clock(float(row["clock_offset"]), datetime.fromisoformat(frozen) if frozen else None),
                faults=tuple(Fault(**{k: v for k, v in item.items() if k != "campaign_id"}) for item in faults),
                overrides=tuple(Override(**{k: v for k, v in item.items() if k != "campaign_id"}) for item in overrides),
            )


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _insert(
    connection: Connection,
    name: str | None,
    profiles: Sequence[str],
    declared: Sequence[str],
    settings: dict[str, Any],
    strict: bool,
) -> int:
    """Insert a campaign row and return its number."""
    result = connection.execute(
        insert(t.campaigns).values(
            name=name,
            created_at=_now(),
            profiles=list(profiles),
            declared=list(declared),
            settings=settings,
            strict=strict,
            clock_offset=0.0,
            clock_frozen=None,
        )
    )
    key = result.inserted_primary_key
    if key is None:
        raise CampaignError("the database gave no number to the new campaign", 500)
    return int(key[0])


def _copy_slice(connection: Connection, campaign: Campaign, name: str | None) -> int:
    """Copy a campaign's state into a new slice and return its number."""
    copy = _insert(connection, name, campaign.profiles, campaign.declared, dict(campaign.settings), campaign.strict)
    _replace_state(connection, campaign.slice_id, copy)
    return copy


def _replace_state(connection: Connection, source: int, target: int) -> None:
    """Make the state rows of `target` equal to those of `source`; journal rows are left alone."""
    settings = connection.execute(select(t.campaigns).where(t.campaigns.c.id == source)).mappings().one()
    kept = {k: settings[k] for k in ("profiles", "declared", "settings", "strict", "clock_offset", "clock_frozen")}
    connection.execute(update(t.campaigns).where(t.campaigns.c.id == target).values(**kept))
    for name, column in campaign_tables().items():
        table = metadata.tables[name]
        connection.execute(delete(table).where(table.c[column] == target))
        rows = connection.execute(select(table).where(table.c[column] == source)).mappings().all()
        copies = []
        for row in rows:
            values = {**row, column: target}
            if "id" in values:  # identifiers are per slice: the copy gets one of its own
                values["id"] = f"{str(values['id']).split('@', 1)[0]}@{target}"
            copies.append(values)
        if copies:
            connection.execute(insert(table), copies)


def count(engine: Engine) -> int:
    """Return the number of live campaigns."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).where(t.campaigns.c.name.is_not(None))).scalar_one())
