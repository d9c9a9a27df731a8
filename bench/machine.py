"""What machine the figures were taken on, and how a process is measured from outside."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
from pathlib import Path


def describe() -> str:
    """Return one line: processor, cores, memory, interpreter, libraries."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = next(int(x.split()[1]) for x in Path("/proc/meminfo").read_text().splitlines() if x.startswith("MemTotal"))
    cores = len(os.sched_getaffinity(0))
    return (
        f"{model}, {cores} cores, {memory / 2**20:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION.split(' ')[1]} OpenSSL, SQLite {sqlite3.sqlite_version}"
    )


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def peak(pid: int) -> float:
    """Return the peak resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
