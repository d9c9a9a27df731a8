"""What a TLS client says first (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), read from the raw record without a TLS library.

The certificate a listener shows is chosen from it before the handshake starts, and a failed handshake is recorded with it.
"""

from __future__ import annotations

from dataclasses import dataclass

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _SUPPORTED_VERSIONS, _ALPN = 0, 43, 16
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}
_LONGEST = 16 * 1024


class NotTls(ValueError):
    """The first bytes are no TLS handshake (plain HTTP on a TLS port, a port scan…)."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """Server name asked for, versions offered (newest first) and cipher suites offered (hexadecimal, `C02F`)."""

    sni: str
    versions: tuple[str, ...]
    ciphers: tuple[str, ...]


class _Bytes:
    """A cursor over bytes that refuses to read past their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) < size:
            raise NotTls("a length in the ClientHello points past its end")
        self._at += size
        return part

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def block(self, size: int) -> bytes:
        """Read a length of `size` bytes and that many bytes."""
        return self.take(self.number(size))

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def needed(data: bytes) -> int:
    """Return how many more bytes make the first record whole; 0 when it is.

    Raises:
        NotTls: it can't be a ClientHello.
    """
    if data and data[0] != _HANDSHAKE:
        raise NotTls("the first byte is not a TLS handshake record")
    if len(data) < 5:
        return 5 - len(data)
    if data[1] != 3:
        raise NotTls("the record's version is not TLS")
    length = int.from_bytes(data[3:5])
    if not 0 < length <= _LONGEST:
        raise NotTls("the record's length is impossible")
    return max(0, 5 + length - len(data))


def parse(data: bytes) -> ClientHello:
    """Read a ClientHello from its first record.

    A hello spread over several records is read as far as its first record goes.

    Raises:
        NotTls: it is none.
    """
    if needed(data):
        raise NotTls("the record is not whole")
    record = data[5 : 5 + int.from_bytes(data[3:5])]
    message = _Bytes(record)
    if message.number(1) != _CLIENT_HELLO:
        raise NotTls("the first handshake message is not a ClientHello")
    length = message.number(3)
    hello = _Bytes(message.take(min(length, message.left)))
    legacy = hello.number(2)
    hello.take(32)
    hello.block(1)
    suites = hello.block(2)
    hello.block(1)
    sni, versions = "", [legacy]
    if hello.left >= 2:
        extensions = _Bytes(hello.take(min(hello.number(2), hello.left)))
        while extensions.left >= 4:
            kind = extensions.number(2)
            body = _Bytes(extensions.block(2))
            if kind == _SERVER_NAME and body.left:
                names = _Bytes(body.block(2))
                names.number(1)
                sni = names.block(2).decode("ascii", "replace")
            elif kind == _SUPPORTED_VERSIONS and body.left:
                offered = body.block(1)
                versions = [int.from_bytes(offered[i : i + 2]) for i in range(0, len(offered) - 1, 2)]
    known = sorted((v for v in versions if v in _VERSIONS), reverse=True)
    return ClientHello(
        sni=sni.lower(),
        versions=tuple(_VERSIONS[v] for v in known),
        ciphers=tuple(suites[i : i + 2].hex().upper() for i in range(0, len(suites) - 1, 2)),
    )
