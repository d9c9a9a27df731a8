"""Server-side TLS: contexts by flavour, the handshake, and what can be told of one that failed."""

from __future__ import annotations

import _ssl
import select
import socket
import ssl
import tempfile
import threading
import time
import warnings
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segur.pki.names import TRUSTED, Flavour
from segur.wire.core import TlsSpec
from segur.wire.http import clienthello

if TYPE_CHECKING:
    from segur.pki.authority import Authority

_CERTIFICATE = 11  # handshake message type, RFC 8446 §4

FLAVOURS = {
    "tls_expired": Flavour.EXPIRED,
    "tls_revoked": Flavour.REVOKED,
    "tls_other_ca": Flavour.OTHER_CA,
    "tls_wrong_host": Flavour.WRONG_HOST,
}


@dataclass(slots=True)
class Handshake:
    """What is known of a handshake, whether it came to its end or not.

    Attributes:
        hello: what the client said first, or None when it was no TLS.
        presented: DER certificate the client showed, even one that was refused.
        problem: why it failed, in OpenSSL's words, empty when it did not.
        alert: the alert the client sent, in OpenSSL's words, or empty.
        first: the raw first bytes.
    """

    hello: clienthello.ClientHello | None = None
    presented: bytes = b""
    problem: str = ""
    alert: str = ""
    first: bytes = b""


class Contexts:
    """The TLS contexts of one listener: one for each flavour of server certificate, made when first needed."""

    def __init__(self, name: str, spec: TlsSpec, authority: Authority) -> None:
        self._name = name
        self._spec = spec
        self._authority = authority
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str], tuple[tuple[bytes, ...], ssl.SSLContext]] = {}
        self._shown: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()

    def get(self, fault: str = "", host: str = "") -> ssl.SSLContext:
        """Return the context to use under a TLS fault (`tls_expired`…), or the ordinary one.

        `host` is the name of a campaign's own host (`demo.localhost`): wildcards under `localhost` are refused by OpenSSL,
        so each gets a certificate that says it.
        """
        with self._lock:
            stamp = tuple(self._authority.crl(ac.slug) for ac in TRUSTED)
            made = self._made.get((fault, host))
            if made is None or made[0] != stamp:
                made = (stamp, self._make(fault, host))
                self._made[fault, host] = made
            return made[1]

    def shown(self, sock: ssl.SSLSocket) -> bytes:
        """Return the certificate a client showed on this connection, accepted or not."""
        return self._shown.pop(sock, b"")

    def _make(self, fault: str, host: str) -> ssl.SSLContext:
        flavour = FLAVOURS.get(fault, Flavour.VALID)
        material = self._authority.server_material(self._name, self._spec.cn, self._spec.names, flavour, host=host or None)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(material.cert_pem, material.key_pem)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if fault == "tls_old_version":
            context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():  # old on purpose
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        if self._spec.client != "none":
            context.verify_mode = ssl.CERT_REQUIRED if self._spec.client == "required" else ssl.CERT_OPTIONAL
            with tempfile.NamedTemporaryFile(suffix=".pem") as known:  # OpenSSL takes CRLs from a file only
                known.write(self._authority.ca_pem.read_bytes() + self._authority.crl_bundle())
                known.flush()
                context.load_verify_locations(known.name)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
            self._watch(context)
        return context

    def _watch(self, context: ssl.SSLContext) -> None:
        """Have OpenSSL show the Certificate message of clients: a refused one is not to be had otherwise."""
        hook = getattr(_ssl._SSLContext, "_msg_callback", None)
        if hook is None:  # an interpreter without the hook records refusals without the certificate
            return
        shown = self._shown

        def seen(sock: Any, direction: str, version: int, content: int, message: int, data: bytes) -> None:  # noqa: ARG001
            if message == _CERTIFICATE and direction == "read" and content == 22:
                shown[sock] = _first_certificate(data)

        hook.__set__(context, seen)


def _first_certificate(message: bytes) -> bytes:
    """Return the first DER certificate of a Certificate handshake message (TLS 1.2 or 1.3), or nothing."""
    at = message.find(b"\x30\x82", 4, 24)
    if at < 0:
        return b""
    return message[at : at + 4 + int.from_bytes(message[at + 2 : at + 4])]


class SaidNothing(ConnectionError):
    """The client opened a connection and closed it without a byte: a port check, not a call."""


def greet(sock: socket.socket, deadline: float) -> bytes:
    """Return the client's first record without consuming it.

    Raises:
        TimeoutError: it was not whole by `deadline` (monotonic seconds).
        SaidNothing: the client left without a byte.
        ConnectionError: the client left inside its ClientHello.
        NotTls: it is no TLS; what came is still in the socket.
    """
    ended = select.poll()
    ended.register(sock, select.POLLRDHUP)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no ClientHello in time")
        sock.settimeout(left)
        data = sock.recv(16 * 1024 + 5, socket.MSG_PEEK)
        if not data:
            raise SaidNothing("the client left before saying anything")
        if not clienthello.needed(data):
            return data
        # Peeking returns at once while part of the record is there: wait for more, or for the end, without spinning.
        if ended.poll(5):
            raise ConnectionError("the client left inside its ClientHello")


def explain(error: Exception) -> str:
    """Return OpenSSL's reason in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or type(error).__name__


def alert_of(problem: str) -> str:
    """Return the alert a client sent, out of OpenSSL's reason (`tlsv1 alert unknown ca` → `unknown ca`), or nothing."""
    for mark in ("tlsv1 alert ", "sslv3 alert ", "tlsv13 alert ", "tls alert "):
        if mark in problem:
            return problem.split(mark, 1)[1]
    return ""
