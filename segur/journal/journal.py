"""Writing the journal: an exchange is committed before its answer leaves.

Callers hand a finished draft over and wait; one writer thread per process commits what has gathered in one
transaction, so that many callers share one commit. The chain link is computed inside the transaction, from the
last link in the database: several processes may write the same journal.
"""

from __future__ import annotations

import hashlib
import queue
import secrets
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, text
from sqlalchemy.dialects import postgresql

from segur.campaign.campaigns import Campaigns
from segur.journal import codec
from segur.journal.model import Draft, Exchange, Outcome, format_time
from segur.journal.tables import SEARCH_SQLITE, bodies, exchanges
from segur.store.engine import is_sqlite, reading, writing

_BATCH = 256
_SWEEP_ROWS = 2000
_COLUMNS = [column.name for column in exchanges.columns if column.name != "n"]
_SQLITE_EXCHANGE = f"INSERT INTO exchanges ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SQLITE_BODY = "INSERT OR IGNORE INTO bodies (slice_id, sha, coding, length, data) VALUES (?, ?, ?, ?, ?)"
_SQLITE_WORDS = "INSERT INTO exchange_words(rowid, words) SELECT n, ? FROM exchanges WHERE id = ?"


class JournalError(RuntimeError):
    """The journal can't take or give an exchange."""


@dataclass(slots=True)
class _Pending:
    """A row on its way to the writer, with the bodies it names."""

    slice_id: int
    campaign: str
    row: dict[str, Any]
    contents: list[dict[str, Any]]
    words: str
    done: Future[None]

    def exchange(self) -> Exchange:
        """Return what was committed."""
        return codec.to_exchange(self.row, self.campaign)


@dataclass(frozen=True, slots=True)
class Broken:
    """A place where the chain doesn't hold: the exchange, and what is wrong with it."""

    seq: int
    id: str
    problem: str


class Journal:
    """The journal of one sandbox. Thread-safe; `close` waits until all is written."""

    def __init__(self, engine: Engine, campaigns: Campaigns) -> None:
        self.engine = engine
        self.campaigns = campaigns
        self._sqlite = is_sqlite(engine)
        if self._sqlite:
            with writing(engine) as connection:
                connection.execute(text(SEARCH_SQLITE))
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._commits = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write_loop, name="journal-writer", daemon=True)
        self._writer.start()

    # -- writing

    def record(self, draft: Draft) -> Exchange:
        """Commit an exchange and return it; when this returns, `kill -9` can't lose it.

        Raises:
            JournalError: the database refused it; the caller must not release its answer.
        """
        pending = self._submit(draft)
        pending.done.result()
        return pending.exchange()

    def commit(self, draft: Draft) -> tuple[str, int]:
        """Commit an exchange and return only its id and number: what a listener needs before it lets an answer go.

        Raises:
            JournalError: as `record`.
        """
        pending = self._submit(draft)
        pending.done.result()
        return pending.row["id"], pending.row["seq"]

    def submit(self, draft: Draft) -> Future[None]:
        """Hand an exchange over without waiting; the future is done once it is committed."""
        return self._submit(draft).done

    def _submit(self, draft: Draft) -> _Pending:
        if self._closed:
            raise JournalError("the journal is closed")
        campaign = None if draft.slice_id is not None else self.campaigns.need(draft.campaign)
        slice_id = campaign.slice_id if campaign else draft.slice_id
        ended = datetime.now(UTC)
        request_sha, response_sha = hashlib.sha256(draft.request).digest(), hashlib.sha256(draft.response).digest()
        worst = max((codec.WORST[finding.severity] for finding in draft.findings), default=0)
        row: dict[str, Any] = {
            "slice_id": slice_id,
            "id": secrets.token_hex(10),
            "service": draft.service,
            "listener": draft.listener,
            "protocol": draft.protocol,
            "operation": draft.operation,
            "outcome": draft.outcome.value,
            "worst": worst,
            "actor": codec.dumps(draft.actor),
            "peer": draft.peer,
            "started_at": format_time(draft.started_at),
            "ended_at": format_time(ended),
            "campaign_time": format_time(draft.campaign_time or ended),
            "status": draft.status,
            "request_sha": request_sha,
            "request_length": len(draft.request),
            "response_sha": response_sha,
            "response_length": len(draft.response),
            "summary": codec.dumps(draft.summary),
            "findings": codec.dumps([finding.as_dict() for finding in draft.findings]),
            "terms": codec.words(draft.terms),
        }
        contents = []
        for sha, body in {request_sha: draft.request, response_sha: draft.response}.items():
            coding, data = codec.pack(body)
            contents.append({"slice_id": slice_id, "sha": sha, "coding": coding, "length": len(body), "data": data})
        indexed = codec.index_words(row["slice_id"], draft.outcome.value, worst, [row["terms"], draft.operation, draft.service])
        pending = _Pending(int(row["slice_id"]), draft.campaign, row, contents, indexed, Future())
        self._queue.put(pending)
        return pending

    def event(
        self, campaign: str, operation: str, summary: Mapping[str, Any], *, content: bytes = b"", actor: str = ""
    ) -> Exchange:
        """Record an operator's act (`step.open`, `fault.set`…); `content` is a file handed in."""
        return self.record(
            Draft(
                campaign=campaign,
                service="sandbox",
                listener="control",
                protocol="event",
                operation=operation,
                outcome=Outcome.EVENT,
                actor={"kind": "operator", "subject": actor},
                campaign_time=self.campaigns.need(campaign).now(),
                request=content,
                summary=dict(summary),
                terms=[str(value) for value in summary.values() if isinstance(value, str)],
            )
        )

    def close(self) -> None:
        """Write what is pending and stop the writer."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._writer.join()

    def _write_loop(self) -> None:
        last = False
        while not last:
            batch: list[_Pending] = []
            item = self._queue.get()
            while True:
                if item is None:
                    last = True
                    break
                batch.append(item)
                if len(batch) >= _BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            if batch:
                self._write(batch)

    def _write(self, batch: list[_Pending]) -> None:
        """Commit a batch and release its callers; a failure reaches each of them, never silently."""
        try:
            with writing(self.engine) as connection:
                self._link(connection, batch)
                self._store(connection, batch)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, every waiting caller must learn of it
            problem = JournalError(f"the journal could not be written: {error}")
            problem.__cause__ = error
            for pending in batch:
                pending.done.set_exception(problem)
            return
        for pending in batch:
            pending.done.set_result(None)
        with self._changed:
            self._commits += 1
            self._changed.notify_all()

    def _link(self, connection: Connection, batch: list[_Pending]) -> None:
        """Give each row its number and its chain link."""
        heads: dict[int, tuple[int, bytes]] = {}
        for pending in batch:
            slice_id = pending.slice_id
            if slice_id not in heads:
                heads[slice_id] = self._head(connection, slice_id)
            seq, prev_hash = heads[slice_id]
            row = pending.row
            row["seq"], row["prev_hash"] = seq + 1, prev_hash
            row["hash"] = codec.chain_hash(prev_hash, row)
            heads[slice_id] = (row["seq"], row["hash"])

    @staticmethod
    def _head(connection: Connection, slice_id: int) -> tuple[int, bytes]:
        query = select(exchanges.c.seq, exchanges.c.hash).where(exchanges.c.slice_id == slice_id)
        row = connection.execute(query.order_by(exchanges.c.seq.desc()).limit(1)).first()
        return (0, codec.GENESIS) if row is None else (int(row[0]), bytes(row[1]))

    def _store(self, connection: Connection, batch: list[_Pending]) -> None:
        contents = [content for pending in batch for content in pending.contents]
        rows = [pending.row for pending in batch]
        if not self._sqlite:
            connection.execute(postgresql.insert(bodies).on_conflict_do_nothing(), contents)
            connection.execute(exchanges.insert(), rows)
            return
        # Past SQLAlchemy's parameter handling, which costs more than the insertion itself.
        connection.exec_driver_sql(_SQLITE_BODY, [tuple(content.values()) for content in contents])
        connection.exec_driver_sql(_SQLITE_EXCHANGE, [tuple(row[name] for name in _COLUMNS) for row in rows])
        connection.exec_driver_sql(_SQLITE_WORDS, [(pending.words, pending.row["id"]) for pending in batch])

    # -- reading

    def get(self, campaign: str, exchange_id: str) -> Exchange | None:
        """Return one exchange of a campaign by its id, or None; another campaign's exchange is None too."""
        slice_id = self.campaigns.need(campaign).slice_id
        query = select(exchanges).where(exchanges.c.id == exchange_id, exchanges.c.slice_id == slice_id)
        with reading(self.engine) as connection:
            row = connection.execute(query).mappings().first()
        return codec.to_exchange(row, campaign) if row is not None else None

    def by_seq(self, campaign: str, seq: int) -> Exchange | None:
        """Return one exchange of a campaign by its number, or None."""
        slice_id = self.campaigns.need(campaign).slice_id
        query = select(exchanges).where(exchanges.c.slice_id == slice_id, exchanges.c.seq == seq)
        with reading(self.engine) as connection:
            row = connection.execute(query).mappings().first()
        return codec.to_exchange(row, campaign) if row is not None else None

    def body(self, campaign: str, sha: str) -> bytes:
        """Return a recorded body of this campaign by its SHA-256 (hex).

        Raises:
            JournalError: this campaign holds no such body.
        """
        return self._body(self.campaigns.need(campaign).slice_id, bytes.fromhex(sha))

    def _body(self, slice_id: int, sha: bytes) -> bytes:
        query = select(bodies.c.coding, bodies.c.data).where(bodies.c.slice_id == slice_id, bodies.c.sha == sha)
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            raise JournalError(f"no body {sha.hex()} in this campaign")
        return codec.unpack(int(row[0]), bytes(row[1]))

    def all(self, campaign: str, after: int = 0) -> Iterator[Exchange]:
        """Yield the campaign's exchanges in order, those numbered above `after`; never the whole journal in memory."""
        slice_id = self.campaigns.need(campaign).slice_id
        while True:
            query = select(exchanges).where(exchanges.c.slice_id == slice_id, exchanges.c.seq > after)
            with reading(self.engine) as connection:
                rows = connection.execute(query.order_by(exchanges.c.seq).limit(500)).mappings().all()
            if not rows:
                return
            for row in rows:
                after = row["seq"]
                yield codec.to_exchange(row, campaign)

    def head(self, campaign: str) -> tuple[int, str]:
        """Return the number of exchanges and the hash of the last one: note both, and the journal is pinned."""
        with reading(self.engine) as connection:
            seq, digest = self._head(connection, self.campaigns.need(campaign).slice_id)
        return seq, digest.hex()

    def await_change(self, seen: int, timeout: float) -> int:
        """Wait until this process has committed more than `seen` batches, or `timeout` seconds; return how many it has."""
        with self._changed:
            self._changed.wait_for(lambda: self._commits > seen, timeout)
            return self._commits

    # -- checking and sweeping

    def verify(self, campaign: str, progress: Callable[[int], None] | None = None) -> Iterator[Broken]:
        """Yield every place where the chain or a body doesn't hold; nothing yielded means intact."""
        slice_id = self.campaigns.need(campaign).slice_id
        seq, prev_hash = 0, codec.GENESIS
        while True:
            query = select(exchanges).where(exchanges.c.slice_id == slice_id, exchanges.c.seq > seq)
            with reading(self.engine) as connection:
                rows = connection.execute(query.order_by(exchanges.c.seq).limit(500)).mappings().all()
            if not rows:
                return
            for row in rows:
                if row["seq"] != seq + 1:
                    yield Broken(seq + 1, "", f"{row['seq'] - seq - 1} exchange(s) missing before number {row['seq']}")
                elif bytes(row["prev_hash"]) != prev_hash:
                    yield Broken(row["seq"], row["id"], "its link does not name the exchange before it")
                if codec.chain_hash(bytes(row["prev_hash"]), row) != bytes(row["hash"]):
                    yield Broken(row["seq"], row["id"], "its content was changed after it was recorded")
                yield from self._check_bodies(slice_id, row)
                seq, prev_hash = row["seq"], bytes(row["hash"])
            if progress is not None:
                progress(seq)

    def _check_bodies(self, slice_id: int, row: Mapping[Any, Any]) -> Iterator[Broken]:
        for side in ("request", "response"):
            sha = bytes(row[f"{side}_sha"])
            try:
                intact = hashlib.sha256(self._body(slice_id, sha)).digest() == sha
            except (JournalError, TypeError, zlib.error) as error:
                yield Broken(row["seq"], row["id"], f"its {side} can't be read: {error}")
                continue
            if not intact:
                yield Broken(row["seq"], row["id"], f"its {side} was changed after it was recorded")

    def sweep(self) -> int:
        """Delete what dropped and reset campaigns left behind; return how many slices went. Never holds the lock for long."""
        slices = self.campaigns.abandoned()
        for slice_id in slices:
            while self._sweep_rows(slice_id):
                pass
            self.campaigns.sweep(slice_id)
        return len(slices)

    def _sweep_rows(self, slice_id: int) -> bool:
        some = select(exchanges.c.n).where(exchanges.c.slice_id == slice_id).limit(_SWEEP_ROWS)
        bits = select(bodies.c.sha).where(bodies.c.slice_id == slice_id).limit(_SWEEP_ROWS)
        with writing(self.engine) as connection:
            gone = connection.execute(delete(exchanges).where(exchanges.c.n.in_(some))).rowcount
            gone += connection.execute(delete(bodies).where(bodies.c.slice_id == slice_id, bodies.c.sha.in_(bits))).rowcount
        return gone > 0
