"""What can go wrong between this tool and a Kubernetes API server.

KubernetesError (a ToolError)
├── KubeconfigError        the kubeconfig cannot be used                  exit 2
├── CredentialsFailed      an exec plugin or token file gave nothing      exit 8
├── NotSent                no server, TLS or proxy: not a byte was sent   exit 9
├── Rejected               the server said no and applied nothing
│   ├── Unauthenticated    401                                            exit 8
│   ├── Forbidden          403                                            exit 8
│   ├── NotFound           404
│   ├── AlreadyExists      409, reason AlreadyExists
│   ├── Conflict           409, any other reason
│   ├── Gone               410
│   ├── Invalid            422
│   └── TooManyRequests    429                                            exit 9
├── MaybeApplied           a write was sent, its outcome is unknown
└── ReadFailed             a read got no full answer, ask again           exit 9

After everything but `MaybeApplied` it is certain that nothing was changed.
After `MaybeApplied` the caller must read the object and compare: the write is
never repeated here.
"""

from __future__ import annotations

from http import HTTPStatus

from csi_migration.model.errors import AuthenticationFailed, ToolError, Unreachable, UsageError


class KubernetesError(ToolError):
    """Root of everything that this package raises on purpose."""


class KubeconfigError(KubernetesError, UsageError):
    """A kubeconfig is missing, contradicts itself or asks for what is not supported."""

    usual_resolution = "Check --kubeconfig and --context."


class CredentialsFailed(KubernetesError, AuthenticationFailed):
    """Credentials could not be obtained; the request was not sent."""


class NotSent(KubernetesError, Unreachable):
    """Nothing reached the API server: name lookup, connection, TLS or proxy failed."""


class MaybeApplied(KubernetesError):
    """A write was sent, and no full answer came or the server answered 5xx.

    Attributes:
        status: the HTTP status, if one came.
    """

    def __init__(
        self, message: str, *, status: int | None = None, details: str = "", resolution: str = ""
    ) -> None:
        super().__init__(message, details=details, resolution=resolution)
        self.status = status


class ReadFailed(KubernetesError, Unreachable):
    """A request that changes nothing got no full answer or a 5xx; it may be repeated.

    Attributes:
        status: the HTTP status, if one came.
    """

    def __init__(
        self, message: str, *, status: int | None = None, details: str = "", resolution: str = ""
    ) -> None:
        super().__init__(message, details=details, resolution=resolution)
        self.status = status


class Rejected(KubernetesError):
    """The server answered with an error status and applied nothing.

    Attributes:
        status: the HTTP status.
        reason: the Status object's reason (`Conflict`), or HTTP's reason phrase.
        retry_after: seconds that the server asks to wait, if it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        retry_after: float | None = None,
        details: str = "",
        resolution: str = "",
    ) -> None:
        super().__init__(message, details=details, resolution=resolution)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


class Unauthenticated(Rejected, AuthenticationFailed):
    """401: the server does not know who asks."""

    usual_resolution = "Log in again, or check the kubeconfig's user."


class Forbidden(Rejected, AuthenticationFailed):
    """403: the server knows who asks and does not allow it."""

    usual_resolution = "Grant what deploy/ grants, or see which policy said no."


class NotFound(Rejected):
    """404: the object, or the whole resource, is not there."""


class AlreadyExists(Rejected):
    """409: an object of that name is there already."""


class Conflict(Rejected):
    """409: the object is not in the state that the write's precondition names."""


class Gone(Rejected):
    """410: a watch or a list cannot go on from that resource version; list again."""


class Invalid(Rejected):
    """422: the object breaks a validation rule."""


class TooManyRequests(Rejected, Unreachable):
    """429: the server is busy and took nothing on."""

    usual_resolution = "The server is busy: try again in a while."


_BY_STATUS: dict[int, type[Rejected]] = {
    HTTPStatus.UNAUTHORIZED: Unauthenticated,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
}


def rejection(status: int, reason: str) -> type[Rejected]:
    """The class of error for an HTTP status below 500 and a Status object's reason."""
    if status == HTTPStatus.CONFLICT and reason == "AlreadyExists":
        return AlreadyExists
    return _BY_STATUS.get(status, Rejected)
