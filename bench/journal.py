"""The journal at size: writing it, and what a page of it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from segur.campaign.campaigns import Campaigns
from segur.journal.journal import Journal
from segur.journal.model import Draft, Finding, Outcome, Severity
from segur.journal.query import Query, find
from segur.store.engine import open_engine

_NAMES = ("MARTIN", "BERNARD", "DUBOIS", "THOMAS", "ROBERT", "RICHARD", "PETIT", "DURAND", "LEROY", "MOREAU")


def measure(folder: Path, *, full: bool) -> Iterator[tuple[str, str]]:
    """Yield how fast exchanges are written and how long pages, searches and one exchange take among many."""
    rows = 1_000_000 if full else 100_000
    engine = open_engine(f"sqlite:///{folder / 'journal.sqlite'}")
    journal = Journal(engine, Campaigns(engine))
    started = time.perf_counter()
    pending = []
    for number in range(rows):
        pending.append(journal.submit(_draft(number)))
        if len(pending) >= 2000:
            pending.pop(0).result()
    for future in pending:
        future.result()
    yield f"exchanges written one by one into the journal, {rows:,} of them", f"{rows / (time.perf_counter() - started):.0f} /s"
    size = sum(path.stat().st_size for path in folder.glob("journal.sqlite*"))
    yield f"journal of {rows:,} exchanges on disk", f"{size / rows:.0f} B each"
    queries: dict[str, Query] = {
        "newest page": Query("default"),
        "page in the middle": Query("default", before=rows // 2),
        "oldest page": Query("default", before=51),
        "by operation, middle": Query("default", service="insi", operation="rechercherInsAvecCarteVitale", before=rows // 2),
        "errors only": Query("default", worst=Severity.ERREUR),
        "one name": Query("default", words="MARTIN1234"),
        "a frequent word": Query("default", words="martin"),
        "a frequent word, middle": Query("default", words="martin", before=rows // 2),
        "two words, rare together": Query("default", words="martin 77"),
        "a rare outcome": Query("default", outcome="timeout"),
        "nothing found": Query("default", words="nobody"),
    }
    for label, query in queries.items():
        yield f"page among {rows:,}: {label}", _time(lambda query=query: find(journal, query))  # type: ignore[misc]
    journal.close()


def _draft(number: int) -> Draft:
    draft = Draft("default", "insi", "insi.mtls", "https", operation="rechercherInsAvecTraitsIdentite")
    if number % 50 == 7:
        draft.operation = "rechercherInsAvecCarteVitale"
    name = _NAMES[number % 10]
    draft.request = f"POST /lps HTTP/1.1\r\nHost: localhost\r\n\r\n<a>{number}</a>{'x' * 500}".encode()
    draft.response = b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 700
    draft.status = 200
    draft.outcome = Outcome.TIMEOUT if number % 50_000 == 3 else Outcome.ANSWERED
    draft.summary = {"code": "00", "traits": {"birth_name": name, "birth_date": "1950-01-01"}, "attempt": 1}
    draft.terms = [name, f"{name}{number}", str(number % 1000)]
    if number % 20 == 0:
        draft.find(Finding("INSI.X", Severity.ERREUR, "/a", "x", "y", "insi.md", "faux", "wrong"))
    return draft


def _time(action: Callable[[], object]) -> str:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return f"{sorted(times)[3]:.1f} ms, worst {max(times):.1f} ms"
