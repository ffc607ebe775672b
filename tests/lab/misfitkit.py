"""Misfits: something is planted in the cluster or vCenter, and preflight names exactly that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab.client import Object, suppress_not_found
from lab.waiting import until
from tests.lab.labkit import ToolRun, Trial

Plant = Callable[[Trial], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Misfit:
    """What is planted, and the checks that must name it; `options` are preflight's own."""

    name: str
    plant: Plant
    expected: frozenset[str]
    options: tuple[str, ...] = field(default=())


def misfit(name: str, plant: Plant, *expected: str, options: tuple[str, ...] = ()) -> Misfit:
    """One misfit; without `expected` the check is the name's first word."""
    return Misfit(name, plant, frozenset(expected or {name.split(maxsplit=1)[0]}), options)


def named(run: ToolRun) -> set[str]:
    """The checks that found something. What blockers kept from being looked at is left out."""
    assert run.exit_code in (0, 3), str(run)
    found = json.loads(run.stdout)["findings"]
    told = [one for one in found if one["severity"] != "passed"]
    return {one["id"] for one in told if one["message"] != "it was not looked at yet"}


def found_anyhow(made: Trial) -> set[str]:
    """What is found on the healthy set, too: nothing that forbids it."""
    run = made.preflight("-o", "json")
    assert run.exit_code == 0, str(run)
    return named(run)


def assert_named(made: Trial, each: Misfit, usual: set[str]) -> None:
    """Preflight names the misfit's checks and no others, and is content again without it."""
    with each.plant(made):
        run = made.preflight("-o", "json", *each.options)
    assert named(run) - usual == each.expected, str(run)


# Ways to plant -----------------------------------------------------------------------


def patched(kind: str, name: str, patch: Object, undo: Object, *, subresource: str = "") -> Plant:
    """A merge patch, and the one that takes it back."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        namespace = made.workload.namespace if _is_namespaced(kind) else ""
        made.cluster.patch(kind, name, patch, namespace, subresource)
        try:
            settle(made)
            yield
        finally:
            made.cluster.patch(kind, name, undo, namespace, subresource)
            settle(made)

    return plant


def created(body: Object, *, ready: Callable[[Trial], bool] | None = None) -> Plant:
    """An object that stands for as long as the misfit lasts."""

    @contextmanager
    def plant(made: Trial) -> Iterator[None]:
        kind, name = body["kind"], body["metadata"]["name"]
        namespace = made.workload.namespace if _is_namespaced(kind) else ""
        placed = body | {
            "metadata": body["metadata"] | ({"namespace": namespace} if namespace else {})
        }
        made.cluster.create(placed)
        try:
            if ready:
                until(f"{kind} {name} as it should be", lambda: ready(made))
            yield
        finally:
            with suppress_not_found():
                made.cluster.delete(kind, name, namespace)
            until(f"{kind} {name} gone", lambda: made.cluster.find(kind, name, namespace) is None)

    return plant


def annotated(kind: str, name: str, annotations: dict[str, str]) -> Plant:
    """Annotations that go again."""
    gone = dict.fromkeys(annotations)
    undo: Object = {"metadata": {"annotations": gone}}
    return patched(kind, name, {"metadata": {"annotations": annotations}}, undo)


def labelled(kind: str, name: str, labels: dict[str, str]) -> Plant:
    """Labels that go again."""
    undo: Object = {"metadata": {"labels": dict.fromkeys(labels)}}
    return patched(kind, name, {"metadata": {"labels": labels}}, undo)


def volume_of(made: Trial, claim: str) -> str:
    """The name of the claim's volume."""
    found = made.cluster.get("PersistentVolumeClaim", claim, made.workload.namespace)
    return str(found["spec"]["volumeName"])


def on_volume(claim: str, patch: Object, undo: Object) -> Plant:
    """A patch of the claim's volume, whose name is known only once it stands."""

    def plant(made: Trial) -> AbstractContextManager[None]:
        return patched("PersistentVolume", volume_of(made, claim), patch, undo)(made)

    return plant


def nothing(_: Trial) -> AbstractContextManager[None]:
    """All is as it was; the misfit lies in preflight's own options."""

    @contextmanager
    def plant() -> Iterator[None]:
        yield

    return plant()


def settle(made: Trial) -> None:
    """Wait until the set's controller has seen the last change of the set."""

    def seen() -> bool:
        found: dict[str, Any] = made.statefulset()
        return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])

    until("the change observed", seen)


def _is_namespaced(kind: str) -> bool:
    return kind not in (
        "PersistentVolume",
        "Node",
        "Namespace",
        "StorageClass",
        "CSINode",
        "CSIDriver",
        "CustomResourceDefinition",
    )
