"""The two ends of a connection, as cheroot wants them: a reader that keeps what came, a writer that holds what goes.

Both work on raw bytes above TLS, so that the journal has an exchange byte for byte, chunk sizes and all.
"""

from __future__ import annotations

import select
import socket
import ssl
import time

_CHUNK = 64 * 1024


class TooSlow(TimeoutError):
    """The caller did not send its request, or take its answer, within the time it has."""


class CallerGone(ConnectionError):
    """The caller closed or broke the connection before its request was whole."""


class Reader:
    """Buffered reading with a deadline for the whole request and a tape of every byte consumed since `start`."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.tape = bytearray()
        self.bytes_read = 0
        self._buffer = bytearray()
        self._deadline = 0.0
        self._ended = False

    def start(self, seconds: float) -> None:
        """Begin a new request: a fresh tape, and `seconds` to send all of it."""
        self.tape = bytearray()
        self._deadline = time.monotonic() + seconds

    def has_data(self) -> bool:
        """Tell whether bytes already here wait to be read."""
        if self._buffer:
            return True
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def ready_within(self, seconds: float) -> bool:
        """Tell whether bytes (or the end of the stream) arrive within `seconds`."""
        if self.has_data():
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(int(seconds * 1000)))

    def _fill(self) -> bool:
        """Receive once; False at the end of the stream."""
        if self._ended:
            return False
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TooSlow("the request was not whole in time")
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(_CHUNK)
        except TimeoutError as error:
            raise TooSlow("the request was not whole in time") from error
        except (ConnectionError, ssl.SSLError, OSError) as error:
            raise CallerGone(str(error)) from error
        if not data:
            self._ended = True
            return False
        self._buffer += data
        return True

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.tape += data
        self.bytes_read += len(data)
        return data

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end of the stream; all until the end when negative."""
        while size < 0 or len(self._buffer) < size:
            if not self._fill():
                break
        return self._take(len(self._buffer) if size < 0 else size)

    def readline(self, size: int = -1) -> bytes:
        """Read up to and with the next LF, or `size` bytes."""
        seen = 0
        while True:
            end = self._buffer.find(b"\n", seen)
            if end >= 0:
                line = end + 1
                return self._take(line if size < 0 else min(line, size))
            if 0 <= size <= len(self._buffer):
                return self._take(size)
            seen = len(self._buffer)
            if not self._fill():
                return self._take(len(self._buffer))

    def drain(self, limit: int, seconds: float) -> None:
        """Read on, for what the caller still sends, so that closing doesn't reset the answer away; bounded both ways."""
        deadline = time.monotonic() + seconds
        while limit > 0 and time.monotonic() < deadline:
            if not self.ready_within(0.05):
                return
            try:
                self.socket.settimeout(0.05)
                data = self.socket.recv(_CHUNK)
            except (OSError, ssl.SSLError):
                return
            if not data:
                return
            limit -= len(data)

    @property
    def closed(self) -> bool:
        """Tell whether nothing more can be read."""
        return self._ended

    def close(self) -> None:
        """Forget what is buffered; the connection closes the socket."""
        self._buffer.clear()
        self._ended = True


class Writer:
    """Writing held back until `release`: what was held is what the journal keeps."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self.socket = sock
        self.bytes_written = 0
        self._timeout = timeout
        self._held: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Hold bytes back; an interim answer (`100 Continue`) goes out at once."""
        if data.startswith(b"HTTP/1.1 100 "):
            self.socket.sendall(data)
        else:
            self._held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: only `release` sends."""

    @property
    def held(self) -> bytes:
        """Return what waits to be sent."""
        return b"".join(self._held)

    def discard(self) -> None:
        """Forget what is held."""
        self._held.clear()

    def release(self) -> None:
        """Send what is held.

        Raises:
            OSError: the caller is gone or doesn't take it within the connection's timeout.
        """
        data = self.held
        self._held.clear()
        self.socket.settimeout(self._timeout)
        self.socket.sendall(data)
        self.bytes_written += len(data)

    def close(self) -> None:
        """Forget what is held; the connection closes the socket."""
        self._held.clear()
