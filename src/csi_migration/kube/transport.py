"""One request, sent at most once, and an exact word on what became of it.

A request is never repeated, with one exception: after 401, which applies
nothing, it is sent once more if there are other credentials to send.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import responses
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from csi_migration.kube.credentials import Credential, credentials_for
from csi_migration.kube.errors import MaybeApplied, NotSent, ReadFailed, Rejected, rejection
from csi_migration.kube.pools import pools, progress

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from csi_migration.kube.connection import Connection

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the server."""

_MAXIMUM_DETAILS = 512
# Groups of kinds that a cluster may not have.
_MAY_BE_MISSING = ("/apis/cns.vmware.com/", "/apis/snapshot.storage.k8s.io/")
_SAID_BY_ALL = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.CONFLICT,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')  # RFC 7234, section 5.5


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `changes` tells a write from what can be repeated at will."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    changes: bool = False

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Transport:
    """Sends requests to one API server. Safe to share between threads.

    Attributes:
        connection: the server, and as whom to speak to it.
        warnings: what the server warned of, as keys, in order.
    """

    def __init__(self, connection: Connection, *, user_agent: str, read_timeout: float) -> None:
        """Prepare to send; `read_timeout` is in seconds."""
        self.connection = connection
        self.warnings: dict[str, None] = {}
        self._user_agent = user_agent
        self._read_timeout = read_timeout
        self._credentials = credentials_for(connection)
        self._lock = threading.Lock()
        self._pools: urllib3.PoolManager | None = None
        self._pools_for = Credential()
        if connection.insecure:
            self.warnings[f"{connection.source}: the server's certificate is not verified"] = None
            urllib3.disable_warnings(InsecureRequestWarning)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            if self._pools is not None:
                self._pools.clear()

    def send(self, request: Request) -> bytes:
        """Send a request and return the bytes of the JSON object that answers it.

        Raises:
            KubernetesError: as the class says.
        """
        return self._exchange(request)[0]

    def ask(self, request: Request) -> dict[str, Any]:
        """Send a request and return the JSON object that answers it.

        Raises:
            KubernetesError: as the class says.
        """
        return self._exchange(request)[1]

    def _exchange(self, request: Request) -> tuple[bytes, dict[str, Any]]:
        response = self.open(request, self._read_timeout)
        try:
            body = response.data
        except HTTPError as error:
            raise self._broken(request, error, begun=True) from error
        answer = _json(body)
        if not isinstance(answer, dict):
            raise self.unfinished(request, "the answer is not a JSON object")
        return body, answer

    def open(self, request: Request, read_timeout: float) -> BaseHTTPResponse:
        """Send a request and return the response with its body still to be read.

        Args:
            request: the request.
            read_timeout: seconds of silence after which reading fails.

        Raises:
            KubernetesError: as the class says.
        """
        credential = self._credentials.current()
        response = self._once(request, credential, read_timeout)
        if response.status == HTTPStatus.UNAUTHORIZED:
            other = self._credentials.after_refusal(credential)
            if other != credential:
                response.close()
                response = self._once(request, other, read_timeout)
        self._note_warnings(response)
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._refusal(request, response)
        return response

    def unfinished(
        self, request: Request, what: str, details: str = "", status: int | None = None
    ) -> MaybeApplied | ReadFailed:
        """The error for a request that was sent and not fully answered."""
        message = f"{request.method} {request.path}: {self.connection.server}: {what}"
        if not request.changes:
            return ReadFailed(message, status=status, details=details)
        return MaybeApplied(
            f"{message}; it may have been applied",
            status=status,
            details=details,
            resolution="Read the object and compare before trying again.",
        )

    def refused(
        self, request: Request, status: int, answer: Any, retry_after: str = ""
    ) -> MaybeApplied | ReadFailed | Rejected:
        """The error for an HTTP status, or a watch's ERROR event, and its body."""
        status_object = answer if _is_status(answer) else {}
        if not status_object and not _is_plainly_said(request, status):
            words = f"answered {status} {responses.get(status, '')}, but not as an API server does"
            return self.unfinished(request, words, status=status)
        details = str(status_object.get("message", ""))[:_MAXIMUM_DETAILS]
        reason = status_object.get("reason") or responses.get(status, "")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.unfinished(request, f"answered {status} {reason}", details, status)
        return rejection(status, reason)(
            f"{request.method} {request.path}: {self.connection.server} answered {status} {reason}",
            status=status,
            reason=reason,
            retry_after=_seconds(retry_after, status_object),
            details=details,
        )

    def _once(
        self, request: Request, credential: Credential, read_timeout: float
    ) -> BaseHTTPResponse:
        manager = self._pools_with(credential)
        progress.begun = False
        try:
            return manager.urlopen(
                request.method,
                self.connection.server + request.target,
                body=request.body,
                headers=self._headers(request, credential),
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=read_timeout),
                preload_content=False,
            )
        except HTTPError as error:
            raise self._broken(request, error, begun=progress.begun) from error

    def _headers(self, request: Request, credential: Credential) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            # A backup is the very bytes that the server sent.
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
        }
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        return headers

    def _broken(
        self, request: Request, error: HTTPError, *, begun: bool
    ) -> NotSent | MaybeApplied | ReadFailed:
        details = str(error)[:_MAXIMUM_DETAILS]
        if begun:
            return self.unfinished(request, "the connection broke before the full answer", details)
        return NotSent(
            f"{request.method} {request.path}: {self.connection.server} cannot be reached",
            details=details,
            resolution=f"Nothing was sent. Check the network and {self.connection.source}.",
        )

    def _note_warnings(self, response: BaseHTTPResponse) -> None:
        for header in response.headers.getlist("Warning"):
            for quoted in _WARNING.findall(header):
                self.warnings.setdefault(re.sub(r"\\(.)", r"\1", quoted))

    def _refusal(
        self, request: Request, response: BaseHTTPResponse
    ) -> MaybeApplied | ReadFailed | Rejected:
        body = b""
        # The status alone says what became of the request; the body only explains.
        with contextlib.suppress(HTTPError):
            body = response.data
        response.close()
        return self.refused(
            request, response.status, _json(body), response.headers.get("Retry-After", "")
        )

    def _pools_with(self, credential: Credential) -> urllib3.PoolManager:
        """The connections made with this client certificate; older ones are dropped."""
        with self._lock:
            known = (self._pools_for.certificate, self._pools_for.key)
            if self._pools is None or known != (credential.certificate, credential.key):
                self._pools = pools(self.connection, credential)
                self._pools_for = credential
            return self._pools


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _is_plainly_said(request: Request, status: int) -> bool:
    """Whether an API server, too, gives this answer without a Status.

    Only of a kind that is not installed it says 404 in plain words. A balancer or a proxy
    says it of anything while it is configured anew, and an absent Lease, claim or set is
    what much is decided by.
    """
    if status == HTTPStatus.NOT_FOUND:
        return request.path.startswith(_MAY_BE_MISSING)
    return status in _SAID_BY_ALL or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _is_status(answer: Any) -> bool:
    """Whether it is a Status object. Other error bodies may hold secrets."""
    return isinstance(answer, Mapping) and answer.get("kind") == "Status"


def _seconds(header: str, status_object: Mapping[str, Any]) -> float | None:
    if header.isascii() and header.isdigit():
        return float(header)
    asked = (status_object.get("details") or {}).get("retryAfterSeconds")
    return float(asked) if asked else None
