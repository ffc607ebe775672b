"""What can be done to one request, and to which requests it makes sense."""

from __future__ import annotations

import json
from enum import Enum

from tests.lab import soap
from tests.lab.proxy import Answer
from tests.torture.signature import Signature

RETRY_AFTER_SECONDS = 1
# Longer than the tool's own time-out of 30 s for an answer.
DELAY_SECONDS = 31.0


class Fault(Enum):
    """What happens to the request that is struck.

    Kills are `kill -9` of the tool. `late` holds the request back until the tool
    has given it up, and then still hands it on; `delay` applies it at once.
    `kill-late` holds what a dead run has sent until all others of its case are over.
    """

    KILL_BEFORE = "kill-before"
    KILL_FORWARDED = "kill-forwarded"
    KILL_ANSWERED = "kill-answered"
    KILL_LATE = "kill-late"
    CUT_BEFORE = "cut-before"
    CUT_APPLIED = "cut-applied"
    ANSWER_409 = "409"
    ANSWER_410 = "410"
    ANSWER_429 = "429"
    ANSWER_500 = "500"
    ANSWER_503 = "503"
    ANSWER_401 = "401"
    ANSWER_403 = "403"
    DELAY = "delay"
    LATE = "late"
    LOGOUT = "logout"

    @property
    def is_kill(self) -> bool:
        return self in KILLS

    def makes_sense_for(self, signature: Signature) -> bool:
        """Whether a real server, network or machine could do this to such a request."""
        if self is Fault.KILL_LATE:
            return signature.api == "kubernetes" and signature.verb in _NAMING_WHAT_IS_THERE
        if self is Fault.ANSWER_410:
            return signature.is_watch
        if self is Fault.ANSWER_409:
            return signature.api == "kubernetes" and signature.kind in ("w", "t")
        return signature.api == "kubernetes" or self is not Fault.ANSWER_429


KILLS_ANYWHERE = (Fault.KILL_BEFORE, Fault.KILL_FORWARDED, Fault.KILL_ANSWERED)
KILLS = (*KILLS_ANYWHERE, Fault.KILL_LATE)
FAULTS = tuple(fault for fault in Fault if fault not in KILLS)
# A creation can't name a version: what comes when all is over finds its name taken, or stays.
_NAMING_WHAT_IS_THERE = ("delete", "patch", "update")
# They cost half a minute of waiting each.
SLOW = (Fault.DELAY, Fault.LATE)

# status: (reason, message), in the API server's own words
_STATUSES = {
    Fault.ANSWER_401: (401, "Unauthorized", "Unauthorized"),
    Fault.ANSWER_403: (403, "Forbidden", "forbidden: RBAC: clusterrole not found"),
    Fault.ANSWER_409: (409, "Conflict", "the object has been modified; please apply your changes"),
    Fault.ANSWER_410: (410, "Expired", "too old resource version"),
    Fault.ANSWER_429: (429, "TooManyRequests", "too many requests, please try again later"),
    Fault.ANSWER_500: (
        500,
        "InternalError",
        "Internal error occurred: etcdserver: request timeout",
    ),
    Fault.ANSWER_503: (503, "ServiceUnavailable", "apiserver is shutting down"),
}


def answer_in_place_of(fault: Fault, signature: Signature) -> Answer | None:
    """What is answered without asking the server; None if the fault is no answer."""
    if fault not in _STATUSES:
        return None
    if signature.api == "vcenter":
        return _of_vcenter(fault)
    status, reason, message = _STATUSES[fault]
    headers = {"Content-Type": "application/json"}
    details = {"name": signature.name, "kind": signature.resource}
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": status,
    }
    if fault is Fault.ANSWER_429:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        body["details"] = {**details, "retryAfterSeconds": RETRY_AFTER_SECONDS}
    return Answer(status, headers, json.dumps(body).encode())


def _of_vcenter(fault: Fault) -> Answer:
    if fault is Fault.ANSWER_401:
        return soap.not_authenticated()
    if fault is Fault.ANSWER_403:
        return soap.no_permission()
    status, reason, message = _STATUSES[fault]
    text = f"{reason}: {message}" if status >= 500 else reason
    return Answer(status, {"Content-Type": "text/plain"}, text.encode())
