"""What the tests of refusals share: nothing changed, and the person is told what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.client import Cluster, Object
from lab.manifests import Workload
from tests.lab.labkit import Lab, ToolRun, Trial

Footprint = dict[tuple[str, str], Object]

_NAMESPACED = (
    "StatefulSet",
    "ControllerRevision",
    "Pod",
    "PersistentVolumeClaim",
    "Lease",
    "ConfigMap",
)


def footprint(cluster: Cluster, namespace: str) -> Footprint:
    """All that a migration could touch, by kind and name, but for what controllers say of it.

    A status may be counted late; what a tool would change is another part of the object, and
    the count of a set's specs (`generation`) tells of what was changed and changed back.
    Waits until the lab itself has stopped changing it.
    """
    last: Footprint = {}
    while last != (now := _footprint(cluster, namespace)):
        last = now
        time.sleep(0.3)
    return now


def _footprint(cluster: Cluster, namespace: str) -> Footprint:
    found = [(kind, one) for kind in _NAMESPACED for one in cluster.list(kind, namespace)]
    found += [("PersistentVolume", one) for one in cluster.list("PersistentVolume")]
    return {(kind, one["metadata"]["name"]): _without_status(one) for kind, one in found}


def _without_status(found: Object) -> Object:
    noted = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in found["metadata"].items() if key not in noted}
    return {**found, "metadata": metadata, "status": None}


def told(run: ToolRun) -> str:
    """The tool's talk on one line, so that its own line breaks don't matter."""
    return " ".join(run.stderr.split())


def assert_refusal(run: ToolRun, exit_code: int, *says: str) -> None:
    """The code of the table, and one clear message on stderr."""
    assert run.exit_code == exit_code, str(run)
    assert "Traceback" not in run.stderr, str(run)
    assert run.stderr.count("Error:") == 1, str(run)
    for words in says:
        assert words in told(run), str(run)


def assert_refused(
    trial: Trial,
    directory: Path,
    extra: Sequence[object],
    exit_code: int,
    *says: str,
    to_do: str = "To do:",
) -> ToolRun:
    """`rolling-migration all` says no, says why and what to do, and changes nothing.

    Later options win over the trial's own, so `extra` can replace any of them.
    """
    before = footprint(trial.cluster, trial.workload.namespace)
    options = ["--working-directory", str(directory), *map(str, extra)]
    run = trial.migrate(*options)
    assert_refusal(run, exit_code, *says, to_do)
    assert footprint(trial.cluster, trial.workload.namespace) == before
    assert not directory.exists() or list(directory.iterdir()) == []
    return run


@contextmanager
def standing(lab: Lab, folder: Path, **fields: Any) -> Iterator[Trial]:
    """A StatefulSet that several tests share; none of them may leave a trace on it."""
    with Trial(lab, Workload(**fields), "user", folder / "work") as trial:
        yield trial
