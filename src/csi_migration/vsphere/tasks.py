"""Waits for vCenter tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from csi_migration.vsphere._bindings import moid
from csi_migration.vsphere.errors import VCenterUnreachable
from csi_migration.vsphere.faults import FaultTypes, error_of
from csi_migration.vsphere.inventory import properties_of_all
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
    (one,) = results(
        session, [task], method=method, subject=subject, timeout=timeout, expect=expect
    )
    if isinstance(one, expect):
        raise one
    return one


def results(
    session: Session,
    tasks: Sequence[Any],
    *,
    method: str,
    subject: str,
    timeout: float = 60.0,
    expect: FaultTypes = (),
) -> list[Any]:
    """What several tasks came to, in their order; a look at all of them is one call.

    Faults of the types in `expect` stand in the results' places.

    Raises:
        VCenterUnreachable: they did not end in time.
        VSphereError: one failed otherwise.
    """
    asked = f"vCenter {session.host}: {method} of {subject}"
    deadline, ended = time.monotonic() + timeout, dict[str, dict[str, Any]]()
    for pause in _pauses():
        waiting = [task for task in tasks if moid(task) not in ended]
        # By their parts: `info` as a whole cannot be read where a task is about
        # something that is no inventory object.
        seen = {each.id: each.values for each in properties_of_all(session, waiting, _WANTED)}
        ended |= {id_: values for id_, values in seen.items() if values[_STATE] in _ENDED}
        if len(ended) == len(tasks):
            break
        if time.monotonic() > deadline:
            states = ", ".join(sorted({values[_STATE] for values in seen.values()} - _ENDED))
            raise VCenterUnreachable(f"{asked}: still {states} after {timeout:g} s")
        time.sleep(pause)
    return [_outcome(ended[moid(task)], asked, expect) for task in tasks]


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def _outcome(seen: dict[str, Any], asked: str, expect: FaultTypes) -> Any:
    if seen[_STATE] == "success":
        return seen.get(_RESULT)
    fault = seen[_ERROR]
    if isinstance(fault, expect):
        return fault
    raise error_of(fault, asked)
