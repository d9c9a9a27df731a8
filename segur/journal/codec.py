"""Rows ↔ exchanges, the canonical form that is hashed, and the words an exchange is found by."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from segur.journal.model import Exchange, Finding, Outcome, Severity, parse_time

GENESIS = bytes(32)
WORST = {None: 0, Severity.INFORMATION: 1, Severity.AVERTISSEMENT: 2, Severity.ERREUR: 3}

_PLAIN, _ZLIB = 0, 1
_COMPRESS_FROM = 256
_WORD = re.compile(r"[0-9A-Za-zÀ-ÖØ-öø-ÿ]+")

# The columns that the hash covers, in this order. `n` and `worst` follow from the rest; `slice_id` is local to a database.
_HASHED = (
    "seq",
    "id",
    "service",
    "listener",
    "protocol",
    "operation",
    "outcome",
    "actor",
    "peer",
    "started_at",
    "ended_at",
    "campaign_time",
    "status",
    "request_sha",
    "request_length",
    "response_sha",
    "response_length",
    "summary",
    "findings",
    "terms",
)


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def dumps(value: object) -> str:
    """Write JSON in the one form that hashes are made of: sorted keys, no spaces, no escapes beyond need."""
    return _encode(value)


def chain_hash(prev_hash: bytes, row: Mapping[Any, Any]) -> bytes:
    """Return SHA-256 of the previous link followed by the canonical form of the row's hashed columns."""
    values = [bytes(value).hex() if isinstance(value := row[name], bytes | memoryview) else value for name in _HASHED]
    return hashlib.sha256(prev_hash + dumps(values).encode("utf-8", "surrogatepass")).digest()


def pack(body: bytes) -> tuple[int, bytes]:
    """Return the coding and the stored form of a body: compressed where that saves room."""
    if len(body) >= _COMPRESS_FROM:
        squeezed = zlib.compress(body, 1)
        if len(squeezed) < len(body):
            return _ZLIB, squeezed
    return _PLAIN, body


def unpack(coding: int, data: bytes) -> bytes:
    """Return a body from its stored form."""
    return zlib.decompress(data) if coding == _ZLIB else data


def index_words(slice_id: int, outcome: str, worst: int, terms: Iterable[str]) -> str:
    """Return what the full-text index holds of an exchange.

    Each word carries the number of its slice, so that a search reads no list of another campaign; outcome and severity
    are marks with a second `_`, which no word of a term has.
    """
    marks = [f"{slice_id}_o_{outcome}", *(f"{slice_id}_w_{grade}" for grade in range(1, worst + 1))]
    return " ".join([*marks, *(f"{slice_id}_{word}" for word in words(terms).split())])


def words(terms: Iterable[str]) -> str:
    """Return the index words of some terms: their runs of letters and digits, each once, lower case."""
    return " ".join(dict.fromkeys(word.lower() for term in terms for word in _WORD.findall(term)))


def query_words(text: str) -> list[str]:
    """Return the words a search asks for; nothing of the search language of the index gets through."""
    return [word.lower() for word in _WORD.findall(text)][:12]


def to_exchange(row: Mapping[Any, Any], campaign: str) -> Exchange:
    """Read an exchange from its row."""
    return Exchange(
        id=row["id"],
        seq=row["seq"],
        campaign=campaign,
        service=row["service"],
        listener=row["listener"],
        protocol=row["protocol"],
        operation=row["operation"],
        outcome=Outcome(row["outcome"]),
        actor=json.loads(row["actor"]),
        peer=row["peer"],
        started_at=parse_time(row["started_at"]),
        ended_at=parse_time(row["ended_at"]),
        campaign_time=parse_time(row["campaign_time"]),
        request_sha=bytes(row["request_sha"]).hex(),
        request_length=row["request_length"],
        response_sha=bytes(row["response_sha"]).hex(),
        response_length=row["response_length"],
        status=row["status"],
        summary=json.loads(row["summary"]),
        findings=tuple(Finding.from_dict(item) for item in json.loads(row["findings"])),
        prev_hash=bytes(row["prev_hash"]).hex(),
        hash=bytes(row["hash"]).hex(),
    )
