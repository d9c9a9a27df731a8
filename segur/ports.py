"""Which port each door has: the documented ones, or free ones that stay the same from one start to the next."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from segur.pki.files import write_whole

ADMIN = "admin"
ADMIN_PORT = 8900


def _free(host: str, wanted: int = 0) -> int | None:
    """Return a port that can be bound now (`wanted` if it can), or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            return None
        port: int = probe.getsockname()[1]
        return port


def read(state: Path) -> dict[str, int]:
    """Return the ports a state folder was last served on."""
    try:
        kept = json.loads((state / "ports.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): int(port) for name, port in kept.items()}


def choose(state: Path, host: str, mode: str, documented: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each door and keep the choice in the state folder.

    `mode` is `documented` or `auto`; an automatic port is used again when it is still free, so that URLs that a DUI
    was configured with stay valid.
    """
    if mode == "auto":
        kept = read(state)
        chosen: dict[str, int] = {}
        for name in documented:
            port = _free(host, kept.get(name, 0)) or _free(host)
            while port in chosen.values():
                port = _free(host)
            if port is None:
                raise OSError(f"no free port on {host}")
            chosen[name] = port
    else:
        chosen = dict(documented)
    write_whole(state / "ports.json", json.dumps({**read(state), **chosen}, indent=1).encode())
    return chosen
