"""Facts about campaigns, their clocks, faults, overrides and snapshots."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from segur.campaign.campaigns import Campaigns
from segur.campaign.faults import Faults, Overrides
from segur.campaign.model import CampaignError, Clock

REQUEST = frozenset({"request"})


def test_default_always_exists_and_cannot_be_deleted(campaigns: Campaigns) -> None:
    assert campaigns.names() == ["default"]
    with pytest.raises(CampaignError, match="always exists"):
        campaigns.delete("default")


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "-a", "a-", "é", "a" * 41, "a/b", "a\n"])
def test_a_name_no_url_can_carry_is_refused(campaigns: Campaigns, name: str) -> None:
    with pytest.raises(CampaignError):
        campaigns.create(name)


def test_a_name_in_use_is_refused_with_409(campaigns: Campaigns) -> None:
    campaigns.create("a")
    with pytest.raises(CampaignError) as error:
        campaigns.create("a")
    assert error.value.status == 409


def test_a_change_by_another_process_is_seen(campaigns: Campaigns) -> None:
    other = Campaigns(campaigns.engine)
    assert campaigns.get("b") is None
    other.create("b", profiles=["GEN"])
    found = campaigns.get("b")
    assert found is not None
    assert found.profiles == ("GEN",)


def test_a_credential_belongs_to_the_campaign_it_was_last_bound_to(campaigns: Campaigns) -> None:
    campaigns.create("a")
    campaigns.create("b")
    campaigns.bind("a", "certificate", "ff00")
    assert campaigns.owner("certificate", "ff00") == "a"
    campaigns.bind("b", "certificate", "ff00")
    assert campaigns.owner("certificate", "ff00") == "b"
    assert campaigns.owner("certificate", "unknown") is None
    campaigns.reset("b")
    assert campaigns.owner("certificate", "ff00") == "b"
    campaigns.delete("b")
    assert campaigns.owner("certificate", "ff00") is None


def test_the_clock_moves_and_stands_still(campaigns: Campaigns) -> None:
    moment = datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert campaigns.set_clock("default", Clock(frozen=moment)).now() == moment
    moved = campaigns.set_clock("default", Clock(offset=7200)).now()
    assert timedelta(seconds=7190) < moved - datetime.now(UTC) < timedelta(seconds=7210)


def test_a_counted_fault_strikes_that_many_calls_and_no_more(campaigns: Campaigns) -> None:
    faults = Faults(campaigns)
    faults.add("default", "http_error", "insi", times=2)
    struck = [bool(faults.take(campaigns.need("default"), REQUEST, "insi")) for _ in range(4)]
    assert struck == [True, True, False, False]
    assert campaigns.need("default").faults == ()


def test_two_calls_never_share_the_last_use_of_a_fault(campaigns: Campaigns) -> None:
    faults = Faults(campaigns)
    faults.add("default", "reset", "insi", times=5)
    hits: list[int] = []

    def call() -> None:
        hits.extend(len(faults.take(campaigns.need("default"), REQUEST, "insi")) for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(hits) == 5


def test_a_fault_strikes_only_its_operation_identity_service_and_campaign(campaigns: Campaigns) -> None:
    faults = Faults(campaigns)
    campaigns.create("other")
    faults.add("default", "reset", "insi", operation="op", identity="q1")
    campaign = campaigns.need("default")
    assert not faults.take(campaign, REQUEST, "insi", "op", "q2")
    assert not faults.take(campaign, REQUEST, "insi", "other", "q1")
    assert not faults.take(campaign, REQUEST, "psc", "op", "q1")
    assert not faults.take(campaign, frozenset({"tls"}), "insi", "op", "q1")
    assert not faults.take(campaigns.need("other"), REQUEST, "insi", "op", "q1")
    assert faults.take(campaign, REQUEST, "insi", "op", "q1")


def test_a_seeded_probability_draws_the_same_calls_each_time(campaigns: Campaigns) -> None:
    faults = Faults(campaigns)

    def draw(seed: int) -> list[bool]:
        faults.lift("default")
        faults.add("default", "reset", "insi", probability=0.3, seed=seed)
        return [bool(faults.take(campaigns.need("default"), REQUEST, "insi")) for _ in range(40)]

    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert 4 <= sum(draw(7)) <= 22


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("nope", {}),
        ("delay", {"params": {"minutes": 1}}),
        ("delay", {"params": {"seconds": 10_000}}),
        ("http_error", {"params": {"status": 404}}),
        ("reset", {"times": 0}),
        ("reset", {"probability": 1.5}),
    ],
)
def test_a_fault_that_cannot_be_is_refused(campaigns: Campaigns, kind: str, changes: dict[str, object]) -> None:
    with pytest.raises(CampaignError):
        Faults(campaigns).add("default", kind, "insi", **changes)  # type: ignore[arg-type]


def test_overrides_merge_newest_last_and_run_out(campaigns: Campaigns) -> None:
    overrides = Overrides(campaigns)
    overrides.add("default", "q1", traits={"sex": "F"})
    overrides.add("default", "q1", answer="02", times=1)
    first = overrides.take(campaigns.need("default"), "q1")
    second = overrides.take(campaigns.need("default"), "q1")
    assert first is not None
    assert second is not None
    assert (first.traits, first.answer) == ({"sex": "F"}, "02")
    assert (second.traits, second.answer) == ({"sex": "F"}, "")
    assert overrides.take(campaigns.need("default"), "q2") is None
    assert overrides.clear("default") == 1


def test_a_snapshot_brings_back_faults_overrides_clock_and_settings(campaigns: Campaigns) -> None:
    faults, overrides = Faults(campaigns), Overrides(campaigns)
    faults.add("default", "delay", "insi")
    overrides.add("default", "q1", verify="KO")
    campaigns.configure("default", settings={"insi.shape": "both"}, profiles=["GEN", "REF"])
    campaigns.set_clock("default", Clock(offset=60))
    campaigns.snapshot("default", "before")
    faults.lift("default")
    overrides.clear("default")
    campaigns.set_clock("default", Clock())
    campaigns.configure("default", settings={}, profiles=[])
    back = campaigns.restore("default", "before")
    assert (len(back.faults), len(back.overrides), back.clock.offset) == (1, 1, 60)
    assert (back.settings, back.profiles) == ({"insi.shape": "both"}, ("GEN", "REF"))
    assert [item["label"] for item in campaigns.snapshots("default")] == ["before"]
    assert campaigns.abandoned() == []
    with pytest.raises(CampaignError):
        campaigns.restore("default", "never")


def test_a_reset_keeps_profiles_and_settings_but_no_fault(campaigns: Campaigns) -> None:
    Faults(campaigns).add("default", "delay", "insi")
    campaigns.configure("default", profiles=["GEN"], settings={"insi.shape": "both"})
    fresh = campaigns.reset("default")
    assert (fresh.faults, fresh.profiles, fresh.settings) == ((), ("GEN",), {"insi.shape": "both"})


def test_a_thousand_campaigns_live_side_by_side(campaigns: Campaigns) -> None:
    for number in range(1000):
        campaigns.create(f"c{number}")
    assert len(campaigns.names()) == 1001
    assert campaigns.need("c999").slice_id != campaigns.need("c0").slice_id
