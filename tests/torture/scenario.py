"""The StatefulSets that are tortured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lab.manifests import Workload


@dataclass(frozen=True, slots=True)
class Scenario:
    """A StatefulSet and how it is migrated; `fields` are those of Workload."""

    name: str
    window: str = "replica"
    fields: dict[str, Any] = field(default_factory=dict)

    def workload(self, namespace: str) -> Workload:
        """The set in a namespace of its own."""
        return Workload(namespace=namespace, **self.fields)


_THREE: dict[str, Any] = {"replicas": 3, "claims": ("data", "logs"), "origin": "by-path"}

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
    )
}
