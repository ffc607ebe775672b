"""The StatefulSets that are tortured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.manifests import Workload


@dataclass(frozen=True, slots=True)
class Scenario:
    """A StatefulSet and how it is migrated, `at_once` so many replicas; `fields` are those
    of Workload.
    """

    name: str
    window: str = "replica"
    at_once: int = 1
    fields: dict[str, Any] = field(default_factory=dict)

    def workload(self, namespace: str) -> Workload:
        """The set in a namespace of its own."""
        return Workload(namespace=namespace, **self.fields)


# What people hang on their objects, which no migration may lose.
_OWN: dict[str, Any] = {
    "extra_labels": {"example.com/team": "shop"},
    "annotations": {"example.com/on-call": "shop@example.com"},
    "mount_options": ("noatime",),
}
_THREE: dict[str, Any] = {
    "replicas": 3,
    "claims": ("data", "logs"),
    "origin": "by-path",
    **_OWN,
}
_PAIRS: dict[str, Any] = {
    "replicas": 3,
    "pod_management": "Parallel",
    "max_unavailable": 2,
    **_OWN,
}

# Unless it says otherwise, the old volumes' reclaim policy is Delete.
SCENARIOS = {
    one.name: one
    for one in (
        Scenario("one", fields={"replicas": 1, "origin": "by-path"}),
        Scenario("fcd", fields={"replicas": 1, "origin": "registered"}),
        Scenario("retain", fields={"replicas": 1, "reclaim_policy": "Retain"}),
        Scenario("two-run", "run", fields={"replicas": 2, "origin": "registered"}),
        Scenario("three", fields=_THREE),
        Scenario("three-run", "run", fields=_THREE),
        Scenario("pairs", at_once=2, fields=_PAIRS),
    )
}
