"""Waits for a vCenter task."""

from __future__ import annotations

import time
from typing import Any

from csi_migration.vsphere.errors import VCenterUnreachable
from csi_migration.vsphere.faults import FaultTypes, error_of
from csi_migration.vsphere.inventory import properties_of
from csi_migration.vsphere.session import Session

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_STATE, _RESULT, _ERROR = "info.state", "info.result", "info.error"
_WANTED = [_STATE, _RESULT, _ERROR]
_ENDED = frozenset({"success", "error"})


def result(
    session: Session,
    task: Any,
    *,
    method: str,
    subject: str,
    timeout: float = 60.0,
    expect: FaultTypes = (),
) -> Any:
    """What a task came to, waiting for `timeout` seconds at most.

    Raises:
        VCenterUnreachable: it did not end in time.
        VSphereError: it failed; faults of the types in `expect` are raised as they are.
    """
    asked = f"vCenter {session.host}: {method} of {subject}"
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    # By its parts: `info` as a whole cannot be read where a task is about
    # something that is no inventory object.
    while (seen := properties_of(session, task, _WANTED))[_STATE] not in _ENDED:
        if time.monotonic() > deadline:
            raise VCenterUnreachable(f"{asked}: still {seen[_STATE]} after {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    if seen[_STATE] == "success":
        return seen.get(_RESULT)
    fault = seen[_ERROR]
    raise fault if isinstance(fault, expect) else error_of(fault, asked)
