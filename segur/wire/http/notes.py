"""What the listener itself has to say about an exchange: its outcome, the caller, and findings in words."""

from __future__ import annotations

from typing import Any

from segur.journal.model import Draft, Finding, Outcome, Severity
from segur.pki.describe import describe
from segur.wire.http.call import Peer
from segur.wire.http.tls import Handshake

_LABELS = {
    "tls_expired": ("expiré", "expired"),
    "tls_revoked": ("révoqué", "revoked"),
    "tls_other_ca": ("d'une autre autorité", "of another authority"),
    "tls_wrong_host": ("d'un autre nom", "for another name"),
    "tls_old_version": ("TLS 1.0/1.1", "TLS 1.0/1.1"),
}


def actor(peer: Peer) -> dict[str, Any]:
    """Return who called, as the journal keeps it."""
    who: dict[str, Any] = {"kind": "certificate" if peer.certificate else "anonymous"}
    if peer.certificate:
        who.update({key: peer.certificate.get(key) for key in ("subject", "issuer", "serial", "fingerprint", "cn", "ou", "o")})
    if peer.tls_version:
        who.update({"tls_version": peer.tls_version, "cipher": peer.cipher, "sni": peer.sni})
    return who


def _find(draft: Draft, code: str, severity: Severity, where: str, seen: str, expected: str, fr: str, en: str) -> None:
    draft.find(Finding(code, severity, where, seen[:500], expected, "RFC 9110/9112, RFC 8446", fr, en))


def refused(draft: Draft, reason: str) -> None:
    """Note a request that HTTP itself refuses: size, syntax, version."""
    draft.outcome = Outcome.REFUSED
    draft.summary["refusal"] = reason
    _find(
        draft, "HTTP.REQUETE.REFUSEE", Severity.ERREUR, "HTTP", reason, "une requête HTTP/1.1 correcte et de taille raisonnable",
        f"La requête HTTP a été refusée avant d'atteindre le service : {reason}",
        f"The HTTP request was refused before it reached the service: {reason}",
    )  # fmt: skip


def gone(draft: Draft, problem: str) -> None:
    """Note a caller that left in the middle of its request."""
    draft.outcome = Outcome.CLIENT_GONE
    draft.summary["problem"] = problem
    _find(
        draft, "HTTP.CLIENT.PARTI", Severity.AVERTISSEMENT, "TCP", problem, "une requête envoyée en entier",
        f"Le client a rompu la connexion avant la fin de sa requête ({problem}).",
        f"The client broke the connection before the end of its request ({problem}).",
    )  # fmt: skip


def too_slow(draft: Draft, problem: str, limit: float) -> None:
    """Note a caller that did not send its request in time."""
    draft.outcome = Outcome.TIMEOUT
    draft.summary["problem"] = problem
    _find(
        draft, "HTTP.CLIENT.LENT", Severity.AVERTISSEMENT, "TCP", problem, f"une requête complète en moins de {limit:g} s",
        f"Le client n'a pas envoyé toute sa requête en {limit:g} s.",
        f"The client did not send its whole request within {limit:g} s.",
    )  # fmt: skip


def unknown_campaign(draft: Draft, name: str) -> None:
    """Note a URL prefix that names no campaign."""
    draft.outcome = Outcome.REFUSED
    draft.summary["refusal"] = f"unknown campaign {name}"
    _find(
        draft, "BAC.CAMPAGNE.INCONNUE", Severity.ERREUR, "URL", f"/c/{name}/", "le nom d'une campagne existante",
        f"L'URL désigne la campagne « {name} », qui n'existe pas.",
        f"The URL names the campaign {name!r}, which does not exist.",
    )  # fmt: skip


def broken(draft: Draft, error: Exception, trace: str) -> None:
    """Note a failure of the sandbox itself."""
    draft.outcome = Outcome.BROKEN
    draft.summary["error"] = f"{type(error).__name__}: {error}"
    draft.summary["trace"] = trace[-4000:]
    _find(
        draft, "BAC.PANNE", Severity.INFORMATION, "bac à sable", f"{type(error).__name__}: {error}", "une réponse du service",
        "Le bac à sable a échoué sur cet appel : ce n'est pas une faute de votre logiciel, signalez-le.",
        "The sandbox failed on this call: it is no fault of your software, please report it.",
    )  # fmt: skip


def plain_on_tls(draft: Draft, first: bytes) -> None:
    """Note plain HTTP on a TLS port."""
    line = first.split(b"\r\n", 1)[0][:120].decode("latin-1")
    draft.actor = {"kind": "anonymous"}
    draft.summary["problem"] = "not a TLS handshake"
    _find(
        draft, "TLS.ABSENT", Severity.ERREUR, "TCP", line, "une connexion TLS",
        "La connexion est arrivée en clair sur un port TLS : utilisez https://.",
        "The connection came in clear on a TLS port: use https://.",
    )  # fmt: skip


def handshake(draft: Draft, seen: Handshake, fault: str, completed: bool) -> None:
    """Note a TLS handshake that failed, or one that went through although a fault should have stopped it."""
    who: dict[str, Any] = {"kind": "anonymous"}
    if seen.hello is not None:
        who["sni"] = seen.hello.sni
        draft.summary["offered_versions"] = list(seen.hello.versions)
        draft.summary["offered_ciphers"] = list(seen.hello.ciphers)
    if seen.presented:
        known = describe(seen.presented)
        who = {
            **who,
            "kind": "certificate",
            **{k: known.get(k) for k in ("subject", "issuer", "serial", "fingerprint", "cn", "ou")},
        }
    draft.actor = who
    draft.terms = [str(who.get("subject") or "")]
    if seen.problem:
        draft.summary["problem"] = seen.problem
    if seen.alert:
        draft.summary["alert"] = seen.alert
    if fault:
        draft.summary["fault_injected"] = fault
        _under_fault(draft, seen, fault, completed)
        return
    subject = who.get("subject") or "aucun certificat client"
    _find(
        draft, "TLS.POIGNEE_DE_MAIN", Severity.ERREUR, "TLS", f"{seen.problem} ({subject})", "une poignée de main menée à bien",
        f"La poignée de main TLS a échoué : {seen.problem}. Certificat client présenté : {subject}.",
        f"The TLS handshake failed: {seen.problem}. Client certificate shown: {subject}.",
    )  # fmt: skip


def _under_fault(draft: Draft, seen: Handshake, fault: str, completed: bool) -> None:
    """Say whether the client did what it must when the server's certificate is wrong: refuse."""
    fr, en = _LABELS.get(fault, (fault, fault))
    draft.summary["client_accepted"] = completed
    if fault == "refuse":
        return
    if completed:
        _find(
            draft, "TLS.SERVEUR.ACCEPTE_A_TORT", Severity.ERREUR, "TLS", f"certificat serveur {fr} accepté", "un refus du client",
            f"Le client a accepté un serveur au certificat {fr} : il doit interrompre la connexion.",
            f"The client accepted a server certificate that is {en}: it must break the connection.",
        )  # fmt: skip
    else:
        _find(
            draft, "TLS.SERVEUR.REFUSE", Severity.INFORMATION, "TLS", seen.alert or seen.problem, "un refus du client",
            f"Le client a refusé le certificat serveur {fr}, comme attendu ({seen.alert or seen.problem}).",
            f"The client refused the server certificate ({en}), as it must ({seen.alert or seen.problem}).",
        )  # fmt: skip
