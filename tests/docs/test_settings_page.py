"""The settings page tells every setting, with the default in force."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from segur.settings import InsiSettings, Settings, SettingsError, load

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROWS = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))


def known() -> dict[str, object]:
    top = {item.name: getattr(Settings(), item.name) for item in fields(Settings) if item.name != "insi"}
    return top | {f"insi.{item.name}": getattr(InsiSettings(), item.name) for item in fields(InsiSettings)}


def test_the_page_and_the_code_have_the_same_settings() -> None:
    assert set(ROWS) == set(known())


@pytest.mark.parametrize("name", [name for name, value in known().items() if value not in ("", ())])
def test_the_default_on_the_page_is_the_default_in_force(name: str) -> None:
    value = known()[name]
    assert ROWS[name] == f"`{str(value).lower() if isinstance(value, bool) else value}`"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nope: 1", "unknown setting nope"),
        ("insi: {nope: 1}", "unknown setting insi.nope"),
        ("insi: 3", "expected a mapping"),
        ("strict: maybe", "true or false"),
        ("world_size: many", "expected a number"),
        ("- a", "expected a mapping"),
        ("{", "settings.yaml"),
    ],
)
def test_a_settings_file_that_is_wrong_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(problem)):
        load(path)


def test_the_command_line_lies_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("seed: 7\nworld_size: 10\ninsi: {shape: both, idam: [A, B]}\n")
    settings = load(path, seed=8, host=None)
    assert (settings.seed, settings.world_size, settings.insi.shape, settings.insi.idam) == (8, 10, "both", ("A", "B"))
