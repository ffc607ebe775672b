"""Several tasks are waited for together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from csi_migration.vsphere import tasks
from csi_migration.vsphere._bindings import moid, vim
from csi_migration.vsphere.errors import VCenterUnreachable, VSphereError
from csi_migration.vsphere.inventory import Properties

SESSION: Any = SimpleNamespace(host="vc")
MISSING = vim.fault.FileNotFound(file="[ds] kubevols")


class Tasks:
    """Each is seen `running` for a number of looks before it ends."""

    def __init__(self, **running: int) -> None:
        self.running = running
        self.ends: dict[str, dict[str, Any]] = {}
        self.looks: list[list[str]] = []

    def seen(self, _: object, things: list[Any], __: object) -> list[Properties]:
        names = [moid(thing) for thing in things]
        self.looks.append(names)
        return [Properties(name, self._values(name)) for name in names]

    def _values(self, name: str) -> dict[str, Any]:
        self.running[name] -= 1
        if self.running[name] >= 0:
            return {"info.state": "running"}
        return self.ends.get(name, {"info.state": "success", "info.result": f"of {name}"})


def results(made: Tasks, monkeypatch: pytest.MonkeyPatch, **rest: Any) -> list[Any]:
    monkeypatch.setattr(tasks, "properties_of_all", made.seen)
    monkeypatch.setattr("time.sleep", lambda _: None)
    things = [vim.Task(name) for name in made.running]
    return tasks.results(SESSION, things, method="Search", subject="kubevols", **rest)


def test_a_look_at_many_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Tasks(a=0, b=2, c=1)
    assert results(made, monkeypatch) == ["of a", "of b", "of c"]
    assert made.looks == [["a", "b", "c"], ["b", "c"], ["b"]]


def test_a_fault_that_is_expected_costs_no_other_result(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Tasks(a=0, b=0)
    made.ends["a"] = {"info.state": "error", "info.error": MISSING}
    assert results(made, monkeypatch, expect=(vim.fault.FileNotFound,)) == [MISSING, "of b"]


def test_any_other_fault_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Tasks(a=0, b=0)
    made.ends["b"] = {"info.state": "error", "info.error": MISSING}
    with pytest.raises(VSphereError, match="Search of kubevols"):
        results(made, monkeypatch)


def test_one_that_does_not_end_is_told_with_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Tasks(a=0, b=99)
    with pytest.raises(VCenterUnreachable, match="still running after 0 s"):
        results(made, monkeypatch, timeout=0.0)
