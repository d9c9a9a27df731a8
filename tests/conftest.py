"""Fixtures every test may use, and the marks of tests that need more than Python."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from segur.campaign.campaigns import Campaigns
from segur.journal.journal import Journal
from segur.store.engine import open_engine

SHARED = Path(__file__).parent.parent.parent / "shared"

_NEEDS = {
    "needs_shared": (SHARED.is_dir, "the folder of shared samples and schemas is not beside the project"),
    "needs_node": (lambda: shutil.which("npm") is not None, "node and npm are not installed"),
    "needs_java": (lambda: shutil.which("keytool") is not None, "Java is not installed"),
    "needs_chromium": (lambda: shutil.which("chromium") is not None, "Chromium is not installed"),
    "needs_curl": (lambda: shutil.which("curl") is not None, "curl is not installed"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, the tests whose tools this machine lacks."""
    for item in items:
        for mark, (present, reason) in _NEEDS.items():
            if item.get_closest_marker(mark) is not None and not present():
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def shared() -> Path:
    """The folder of shared samples and schemas."""
    return SHARED


@pytest.fixture
def campaigns(tmp_path: Path) -> Iterator[Campaigns]:
    """Campaigns over a fresh database."""
    engine = open_engine(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield Campaigns(engine)
    engine.dispose()


@pytest.fixture
def journal(campaigns: Campaigns) -> Iterator[Journal]:
    """A journal over the same database."""
    opened = Journal(campaigns.engine, campaigns)
    yield opened
    opened.close()
