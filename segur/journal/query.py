"""Finding exchanges: filters, pages that cost the same at the end as at the start, and waiting for one to come."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.sql.elements import ColumnElement

from segur.journal import codec
from segur.journal.journal import Journal
from segur.journal.model import Exchange, Outcome, Severity
from segur.journal.tables import exchanges
from segur.store.engine import is_sqlite, reading

_OTHER_PROCESS_POLL = 0.1  # seconds: commits of this process wake waiters at once, those of another within this


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; empty fields don't filter.

    Attributes:
        service / operation / outcome: exact values (`operation` needs `service`).
        worst: findings at least this severe.
        words: every word must occur among the exchange's terms; the last one may be a beginning.
        events: also operator's acts.
        after / before: only numbers above / below.
        newest_first: order; pages go on with `before` (newest first) or `after`.
    """

    campaign: str
    service: str = ""
    operation: str = ""
    outcome: str = ""
    worst: Severity | None = None
    words: str = ""
    events: bool = True
    after: int = 0
    before: int | None = None
    limit: int = 50
    newest_first: bool = True


def find(journal: Journal, query: Query) -> list[Exchange]:
    """Return at most `query.limit` (1 to 500) exchanges."""
    slice_id = journal.campaigns.need(query.campaign).slice_id
    words = codec.query_words(query.words)
    if query.words.strip() and not words:
        return []  # signs only: nothing can match
    if (words or query.outcome or query.worst is not None) and is_sqlite(journal.engine):
        # By row number only: with an order to keep, SQLite would rather walk the whole campaign.
        statement = select(exchanges).where(exchanges.c.n.in_(_matching(journal, query, slice_id, words)))
    else:
        order = exchanges.c.seq.desc() if query.newest_first else exchanges.c.seq.asc()
        statement = select(exchanges).where(*_conditions(query, slice_id, words)).order_by(order).limit(_page(query))
    with reading(journal.engine) as connection:
        rows = connection.execute(statement).mappings().all()
    found = [codec.to_exchange(row, query.campaign) for row in rows]
    return sorted(found, key=lambda exchange: exchange.seq, reverse=query.newest_first)


def _page(query: Query) -> int:
    return max(1, min(query.limit, 500))


def _conditions(query: Query, slice_id: int, words: list[str]) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [exchanges.c.slice_id == slice_id]
    if query.service:
        conditions.append(exchanges.c.service == query.service)
    if query.operation:
        conditions.append(exchanges.c.operation == query.operation)
    if query.worst is not None:
        conditions.append(exchanges.c.worst >= codec.WORST[query.worst])
    if not query.events:
        conditions.append(exchanges.c.outcome != "event")
    if query.after:
        conditions.append(exchanges.c.seq > query.after)
    if query.before is not None:
        conditions.append(exchanges.c.seq < query.before)
    if query.outcome:
        conditions.append(exchanges.c.outcome == query.outcome)
    conditions.extend(exchanges.c.terms.contains(word, autoescape=True) for word in words)
    return conditions


def _matching(journal: Journal, query: Query, slice_id: int, words: list[str]) -> list[int]:
    """Return the row numbers of one page of matches from the full-text index, every other filter applied too."""
    parts = [f'"{slice_id}_{word}"' for word in words[:-1]]
    if words:
        parts.append(f'"{slice_id}_{words[-1]}"*')
    if query.outcome:
        parts.append(f'"{slice_id}_o_{Outcome(query.outcome).value}"')
    if query.worst is not None:
        parts.append(f'"{slice_id}_w_{codec.WORST[query.worst]}"')
    with reading(journal.engine) as connection:
        span = _span(connection, slice_id, query)
        direction = "DESC" if query.newest_first else "ASC"
        statement = text(
            "SELECT w.rowid FROM exchange_words w CROSS JOIN exchanges e ON e.n = w.rowid "  # noqa: S608 - fixed text
            "WHERE exchange_words MATCH :match AND w.rowid > :low AND w.rowid < :high AND e.slice_id = :slice "
            "AND (:service = '' OR e.service = :service) AND (:operation = '' OR e.operation = :operation) "
            f"AND (:events OR e.outcome != 'event') ORDER BY w.rowid {direction} LIMIT :page"
        )
        values: dict[str, Any] = {
            "match": " AND ".join(parts),
            "low": span[0],
            "high": span[1],
            "slice": slice_id,
            "service": query.service,
            "operation": query.operation,
            "events": int(query.events),
            "page": _page(query),
        }
        return [int(row[0]) for row in connection.execute(statement, values)]


def _span(connection: Any, slice_id: int, query: Query) -> tuple[int, int]:
    """Turn the page's bounds in exchange numbers into bounds in row numbers: both grow together inside a slice."""
    low, high = 0, 2**62
    numbers = select(exchanges.c.n).where(exchanges.c.slice_id == slice_id)
    if query.after:
        row = connection.execute(numbers.where(exchanges.c.seq <= query.after).order_by(exchanges.c.seq.desc()).limit(1)).first()
        low = int(row[0]) if row else 0
    if query.before is not None:
        row = connection.execute(numbers.where(exchanges.c.seq >= query.before).order_by(exchanges.c.seq).limit(1)).first()
        high = int(row[0]) if row else 2**62
    return low, high


def wait(journal: Journal, query: Query, timeout: float) -> Exchange | None:
    """Return the first exchange numbered above `query.after` that matches, as soon as it is recorded; None after `timeout` s."""
    wanted = replace(query, newest_first=False, limit=1)
    deadline = time.monotonic() + timeout
    seen = journal.await_change(-1, 0)
    while True:
        found = find(journal, wanted)
        if found:
            return found[0]
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        seen = journal.await_change(seen, min(left, _OTHER_PROCESS_POLL))
