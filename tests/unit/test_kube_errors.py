from __future__ import annotations

import pytest

from csi_migration import kube
from csi_migration.kube.errors import rejection
from csi_migration.model.errors import ExitCode, ToolError


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (400, "BadRequest", kube.Rejected),
        (401, "Unauthorized", kube.Unauthenticated),
        (403, "Forbidden", kube.Forbidden),
        (404, "NotFound", kube.NotFound),
        (409, "AlreadyExists", kube.AlreadyExists),
        (409, "Conflict", kube.Conflict),
        (410, "Expired", kube.Gone),
        (422, "Invalid", kube.Invalid),
        (429, "TooManyRequests", kube.TooManyRequests),
    ],
)
def test_each_status_has_its_class(status: int, reason: str, error: type[kube.Rejected]) -> None:
    assert rejection(status, reason) is error


def test_a_name_that_is_taken_is_no_conflict_of_versions() -> None:
    assert not issubclass(kube.AlreadyExists, kube.Conflict)
    assert not issubclass(kube.Conflict, kube.AlreadyExists)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (kube.KubeconfigError, ExitCode.USAGE),
        (kube.CredentialsFailed, ExitCode.AUTHENTICATION),
        (kube.Unauthenticated, ExitCode.AUTHENTICATION),
        (kube.Forbidden, ExitCode.AUTHENTICATION),
        (kube.NotSent, ExitCode.UNREACHABLE),
        (kube.ReadFailed, ExitCode.UNREACHABLE),
        (kube.TooManyRequests, ExitCode.UNREACHABLE),
        (kube.MaybeApplied, ExitCode.FAILED),
        (kube.Rejected, ExitCode.FAILED),
    ],
)
def test_each_class_has_its_exit_code(error: type[ToolError], code: ExitCode) -> None:
    assert error.exit_code == code
    assert issubclass(error, kube.KubernetesError)
