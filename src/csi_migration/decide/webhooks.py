"""Which admission webhooks see the objects that a migration writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from csi_migration.decide.checks_volumes import pairs
from csi_migration.decide.selectors import matches
from csi_migration.model.objects import Raw, labels_of
from csi_migration.model.snapshot import Snapshot

_WRITES = frozenset({"CREATE", "UPDATE", "DELETE", "*"})
_BELOW = "*"
_IN_CLUSTER = "PersistentVolume"


@dataclass(frozen=True, slots=True)
class Written:
    """A kind that a migration writes; `plural` is its resource, `objects` are those of the set."""

    kind: str
    group: str
    plural: str
    objects: tuple[Raw, ...]

    @property
    def namespaced(self) -> bool:
        """Whether its objects are in a namespace."""
        return self.kind != _IN_CLUSTER


def written(snapshot: Snapshot) -> tuple[Written, ...]:
    """Every kind that a migration writes, with the set's objects of today."""
    pods, claims = tuple(snapshot.pods.values()), tuple(snapshot.claims.values())
    volumes = tuple(volume for _, volume in pairs(snapshot))
    return (
        Written("StatefulSet", "apps", "statefulsets", (snapshot.statefulset,)),
        Written("Pod", "", "pods", pods),
        Written("PersistentVolumeClaim", "", "persistentvolumeclaims", claims),
        Written(_IN_CLUSTER, "", "persistentvolumes", volumes),
    )


def seen_by(webhook: Raw, kinds: tuple[Written, ...], namespace: Raw) -> Iterator[str]:
    """The kinds that a webhook is asked about, as far as its rules and selectors tell.

    Versions don't count, for a rule of one mostly matches all of them (`matchPolicy`), nor
    do its matchConditions, which are a language of their own (kubernetes:
    admission/plugin/webhook/predicates).
    """
    in_namespace = matches(webhook.get("namespaceSelector") or {}, labels_of(namespace))
    selector = webhook.get("objectSelector") or {}
    for each in kinds:
        is_there = in_namespace or not each.namespaced
        is_ruled = any(_is_ruled(rule, each) for rule in webhook.get("rules") or [])
        if is_there and is_ruled and any(matches(selector, labels_of(o)) for o in each.objects):
            yield each.kind


def _is_ruled(rule: Raw, kind: Written) -> bool:
    """Kubernetes: admission/plugin/webhook/predicates/rules/rules.go:Matcher."""
    scope = {"Namespaced": kind.namespaced, "Cluster": not kind.namespaced}
    return (
        scope.get(rule.get("scope") or "*", True)
        and not _WRITES.isdisjoint(rule.get("operations") or [])
        and not {kind.group, "*"}.isdisjoint(rule.get("apiGroups") or [])
        and any(_is_resource(pattern, kind.plural) for pattern in rule.get("resources") or [])
    )


def _is_resource(pattern: str, plural: str) -> bool:
    resource, _, below = pattern.partition("/")
    return resource in (plural, "*") and below in ("", _BELOW)
