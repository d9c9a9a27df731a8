"""What a sandbox can be told, in one frozen value; read from a YAML file, the environment and the command line.

A setting that changes the wire is listed in `docs/settings.md` (a test compares both).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml


class SettingsError(ValueError):
    """A setting that doesn't exist or has an unusable value; the message says which and where."""


@dataclass(frozen=True, slots=True)
class InsiSettings:
    """Switches of the INSi fake (contract: insi.md); a campaign may override each (`insi.<name>`).

    Attributes:
        unknown_answer: what an unknown person gets: `01`, or `insi_102` as the real qualification server does.
        shape: TIQ and INS layout: `liste` (ListePrenom only, schema order), `prenom` (older samples),
            `both`, `dates_first` (CNDA injection files).
        strict_first_token: the first given name asked must be the first of the list, whole.
        assertion_max_age: seconds an assertion PS lives after IssueInstant.
        vitale_max_age: seconds an assertion Vitale lives.
        clock_skew: seconds `Temps` may differ from the campaign's clock before it is a finding.
        psc_bearer: require an `Authorization: Bearer` in mode C (off: the travel of the token is a guess).
        refuse_unknown_idam: answer desir_550 to an IDAM that the registry doesn't hold.
        idam: authorisation numbers of software that the registry holds, besides the sandbox's own.
        retry_window: seconds within which the same person asked again counts as one retry chain.
    """

    unknown_answer: str = "01"
    shape: str = "liste"
    strict_first_token: bool = False
    assertion_max_age: int = 3600
    vitale_max_age: int = 1200
    clock_skew: int = 300
    psc_bearer: bool = False
    refuse_unknown_idam: bool = True
    idam: tuple[str, ...] = ()
    retry_window: int = 600


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one sandbox.

    Attributes:
        state: folder that holds all the sandbox writes.
        host: address every listener binds; loopback unless asked otherwise.
        public_host: name clients reach the listeners by, printed in URLs and put into certificates.
        ports: `documented` (fixed list) or `auto` (free ports, kept in the state folder).
        database: SQLAlchemy URL of the mutable state; empty = SQLite in the state folder.
        seed / world_size: the synthetic world (size = number of bulk patients).
        ins_oid: OID of a NIR in every service: `1.2.250.1.213.1.4.8` or `….10`.
        strict: campaigns made from now on turn error findings into refusals.
        request_timeout: seconds a caller may take to send one request (headers and body).
        max_body: bytes of the largest request body accepted.
        max_header: bytes of the largest request head accepted.
    """

    state: Path = Path(".segur")
    host: str = "127.0.0.1"
    public_host: str = "localhost"
    ports: str = "documented"
    database: str = ""
    seed: int = 20240601
    world_size: int = 2000
    ins_oid: str = "1.2.250.1.213.1.4.8"
    mss_profile: str = "v0.1"
    strict: bool = False
    request_timeout: float = 20.0
    max_body: int = 20 * 1024 * 1024
    max_header: int = 64 * 1024
    insi: InsiSettings = field(default_factory=InsiSettings)

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL in force."""
        return self.database or f"sqlite:///{(self.state / 'state.sqlite').resolve()}"


_SECTIONS: dict[str, type[InsiSettings]] = {"insi": InsiSettings}


def _coerce(owner: str, name: str, default: object, value: object) -> object:
    """Give `value` the type of `default`, or say what is wrong with it."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise SettingsError(f"setting {owner}{name}: expected true or false, got {value!r}")
        return value
    if isinstance(default, Path):
        return Path(str(value))
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise SettingsError(f"setting {owner}{name}: expected a list, got {value!r}")
        return tuple(str(item) for item in value)
    if isinstance(default, int | float):
        try:
            return type(default)(value)  # type: ignore[call-overload,arg-type]  # a wrong type is what the except is for
        except (TypeError, ValueError) as error:
            raise SettingsError(f"setting {owner}{name}: expected a number, got {value!r}") from error
    if not isinstance(value, str | int):
        raise SettingsError(f"setting {owner}{name}: expected a text, got {value!r}")
    return str(value)


def apply(base: Any, values: dict[str, Any], owner: str = "") -> Any:
    """Return the settings value `base` with `values` laid over it; unknown names are refused by name."""
    known = {item.name: getattr(base, item.name) for item in fields(base)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"unknown setting {owner}{name}; known: {', '.join(sorted(known))}")
        if name in _SECTIONS and not owner:
            if not isinstance(value, dict):
                raise SettingsError(f"setting {name}: expected a mapping, got {value!r}")
            changes[name] = apply(known[name], value, f"{name}.")
        else:
            changes[name] = _coerce(owner, name, known[name], value)
    return replace(base, **changes)


def load(path: Path | None, **overrides: Any) -> Settings:
    """Read a settings file (YAML mapping, may be None) and lay the command line's values over it.

    Raises:
        SettingsError: with the file's name, the setting and what is wrong.
    """
    settings = Settings()
    if path is not None:
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{path}: {error}") from error
        if not isinstance(raw, dict):
            raise SettingsError(f"{path}: expected a mapping of settings")
        try:
            settings = apply(settings, raw)
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error
    given = {name: value for name, value in overrides.items() if value is not None}
    return apply(settings, given) if given else settings
