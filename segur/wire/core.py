"""What every service is given: one value that holds the opened rooms of a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine

from segur.campaign.campaigns import Campaigns
from segur.campaign.faults import Faults, Overrides
from segur.journal.journal import Journal
from segur.settings import Settings
from segur.wire.http.call import Handler

if TYPE_CHECKING:
    from segur.pki.authority import Authority
    from segur.world.world import World


@dataclass(frozen=True, slots=True)
class Core:
    """The opened rooms. `url(listener)` gives the base URL of a listener (`https://localhost:8443`)."""

    settings: Settings
    engine: Engine
    campaigns: Campaigns
    faults: Faults
    overrides: Overrides
    journal: Journal
    world: World
    authority: Authority
    url: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """How a listener does TLS.

    Attributes:
        cn / names: subject CN and further SAN DNS names of its certificate, besides localhost and the public host.
        client: `none`, `optional` or `required` client certificate (one of the sandbox's authorities).
    """

    cn: str
    names: tuple[str, ...] = ()
    client: str = "none"


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A door of a service: `name` is `<service>.<door>`, `port` the documented one."""

    name: str
    service: str
    port: int
    handler: Handler
    tls: TlsSpec | None = None


class Service(Protocol):
    """What one national service gives the sandbox; `mocks/registry.py` lists them."""

    name: str

    def listeners(self) -> Sequence[ListenerSpec]:
        """Return its doors."""
        ...

    def env(self, campaign: str) -> dict[str, Any]:
        """Return its part of what a DUI is given (DESIGN.md): `{"insi": {...}}`."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One line of the registry: how to make the service, and the doors it will open (so ports are known before it is made)."""

    name: str
    make: Callable[[Core], Service]
    doors: tuple[tuple[str, int, str], ...] = field(default=())  # (listener name, documented port, scheme)
