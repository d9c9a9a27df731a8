"""Facts about writing, finding and checking the journal."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from segur.campaign.campaigns import Campaigns
from segur.journal.journal import Journal, JournalError
from segur.journal.model import Draft, Exchange, Finding, Outcome, Severity
from segur.journal.query import Query, find, wait
from segur.store.engine import writing


def draft(campaign: str = "default", **changes: object) -> Draft:
    made = Draft(campaign, "insi", "insi.mtls", "https", operation="rechercherInsAvecTraitsIdentite")
    made.request, made.response = b"POST /lps HTTP/1.1\r\n\r\n<a/>", b"HTTP/1.1 200 OK\r\n\r\n<b/>"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def finding(severity: Severity) -> Finding:
    return Finding("INSI.TEST", severity, "/a", "x", "y", "insi.md", "faux", "wrong")


def test_a_recorded_exchange_is_read_back_whole(journal: Journal) -> None:
    recorded = journal.record(draft(summary={"code": "00"}, findings=[finding(Severity.ERREUR)]))
    read = journal.get("default", recorded.id)
    assert read == recorded
    assert journal.body("default", recorded.request_sha) == b"POST /lps HTTP/1.1\r\n\r\n<a/>"
    assert read is not None
    assert read.worst is Severity.ERREUR


def test_large_bodies_come_back_byte_for_byte(journal: Journal) -> None:
    body = bytes(range(256)) * 400
    recorded = journal.record(draft(request=body))
    assert journal.body("default", recorded.request_sha) == body


def test_numbers_run_from_one_without_gaps_under_many_writers(journal: Journal) -> None:
    threads = [threading.Thread(target=lambda: [journal.record(draft()) for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [exchange.seq for exchange in journal.all("default")] == list(range(1, 161))
    assert list(journal.verify("default")) == []


def test_the_export_form_reads_back_equal(journal: Journal) -> None:
    recorded = journal.record(draft(findings=[finding(Severity.INFORMATION)]))
    assert Exchange.from_dict(recorded.as_dict()) == recorded


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ('UPDATE exchanges SET summary = \'{"code":"01"}\' WHERE seq = 2', "content was changed"),
        ("UPDATE exchanges SET findings = '[]' WHERE seq = 2", "content was changed"),
        ("DELETE FROM exchanges WHERE seq = 2", "missing"),
        ("UPDATE bodies SET coding = 0, data = x'00' WHERE length = 99", "request was changed"),
        ("DELETE FROM bodies WHERE length = 99", "request can't be read"),
    ],
)
def test_verify_names_what_was_tampered_with(journal: Journal, campaigns: Campaigns, statement: str, problem: str) -> None:
    journal.record(draft())
    journal.record(draft(request=b"x" * 99, findings=[finding(Severity.ERREUR)], summary={"code": "00"}))
    journal.record(draft())
    with writing(campaigns.engine) as connection:
        connection.execute(text(statement))
    assert any(problem in broken.problem for broken in journal.verify("default"))


def test_one_campaign_never_sees_anothers_exchanges_or_bodies(journal: Journal, campaigns: Campaigns) -> None:
    campaigns.create("a")
    campaigns.create("b")
    mine = journal.record(draft("a", request=b"secret of a"))
    assert journal.get("b", mine.id) is None
    assert find(journal, Query("b")) == []
    with pytest.raises(JournalError):
        journal.body("b", mine.request_sha)


def test_search_finds_by_word_beginning_and_filters(journal: Journal) -> None:
    journal.record(draft(terms=["D'ARTAGNAN", "1010663220754"]))
    journal.record(draft(terms=["ADRUN ZOE"], outcome=Outcome.TIMEOUT))
    journal.record(draft(terms=["ADRUN PAUL"], findings=[finding(Severity.ERREUR)]))
    assert [e.seq for e in find(journal, Query("default", words="adru"))] == [3, 2]
    assert [e.seq for e in find(journal, Query("default", words="1010663"))] == [1]
    assert [e.seq for e in find(journal, Query("default", words="adrun", outcome="timeout"))] == [2]
    assert [e.seq for e in find(journal, Query("default", words="adrun", worst=Severity.ERREUR))] == [3]
    assert find(journal, Query("default", words='" OR * NEAR(')) == []
    assert find(journal, Query("default", words="***")) == []


def test_pages_go_on_where_the_last_one_ended(journal: Journal) -> None:
    for number in range(25):
        journal.record(draft(terms=["MARTIN"] if number % 2 else []))
    first = find(journal, Query("default", limit=10))
    second = find(journal, Query("default", limit=10, before=first[-1].seq))
    assert [e.seq for e in first + second] == list(range(25, 5, -1))
    matched = find(journal, Query("default", words="martin", limit=5))
    assert [e.seq for e in find(journal, Query("default", words="martin", before=matched[-1].seq))] == [14, 12, 10, 8, 6, 4, 2]


def test_wait_answers_as_soon_as_the_exchange_is_there(journal: Journal) -> None:
    got: list[Exchange | None] = []
    waiter = threading.Thread(target=lambda: got.append(wait(journal, Query("default", words="zoe"), 30)))
    waiter.start()
    journal.record(draft(terms=["PAUL"]))
    journal.record(draft(terms=["ZOE"]))
    waiter.join(10)
    assert got[0] is not None
    assert got[0].seq == 2


def test_wait_gives_none_when_nothing_comes(journal: Journal) -> None:
    assert wait(journal, Query("default", words="nobody"), 0.05) is None


def test_two_journals_of_two_processes_share_one_chain(journal: Journal, campaigns: Campaigns) -> None:
    other = Journal(campaigns.engine, Campaigns(campaigns.engine))
    for _ in range(5):
        journal.record(draft())
        other.record(draft())
    other.close()
    assert list(journal.verify("default")) == []
    assert journal.head("default")[0] == 10


def test_a_reset_campaign_starts_at_one_and_the_old_rows_are_swept(journal: Journal, campaigns: Campaigns) -> None:
    journal.record(draft())
    campaigns.reset("default")
    assert journal.record(draft()).seq == 1
    assert journal.sweep() == 1
    with campaigns.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM exchanges")).scalar_one() == 1


def test_events_are_exchanges_of_kind_event(journal: Journal) -> None:
    event = journal.event("default", "step.open", {"scenario": "SC-INS-01"})
    assert event.kind == "event"
    assert find(journal, Query("default", events=False)) == []


def test_a_database_that_refuses_is_told_to_the_caller(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(journal, "_store", refuse)
    with pytest.raises(JournalError, match="disk full"):
        journal.record(draft())
    monkeypatch.undo()
    assert journal.record(draft()).seq == 1


def test_a_closed_journal_takes_nothing(campaigns: Campaigns) -> None:
    journal = Journal(campaigns.engine, campaigns)
    journal.close()
    with pytest.raises(JournalError):
        journal.record(draft())
