"""What was listed of a whole cluster, and what belongs together in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from csi_migration.model.disk import DiskPath
from csi_migration.model.objects import (
    CSI_DRIVER,
    IN_TREE_PROVISIONER,
    Raw,
    annotations_of,
    name_of,
)

_DEFAULT_MARKS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


@dataclass(frozen=True, slots=True)
class Member:
    """A volume by the ordinal in its claim's name; `held` if that claim is there and names it."""

    ordinal: int
    volume: Raw
    held: bool


@dataclass(frozen=True)
class Lists:
    """What was listed, with no more of each object than the checks read.

    Attributes:
        cluster: the API server's address.
        version: its gitVersion.
        places: the options that say where the cluster is, for the commands to come.
        namespace: the only one that was asked for, empty for all.
        statefulsets, claims, pods, revisions, budgets, autoscalers: of all namespaces.
        volumes, classes, csi_nodes, nodes: of the cluster, by name.
        unended: namespace and name of every set whose migration has not ended; None if that
            could not be looked at.
    """

    cluster: str
    version: str
    places: tuple[str, ...]
    namespace: str
    statefulsets: tuple[Raw, ...]
    claims: tuple[Raw, ...]
    pods: tuple[Raw, ...]
    revisions: tuple[Raw, ...]
    budgets: tuple[Raw, ...]
    autoscalers: tuple[Raw, ...]
    volumes: Mapping[str, Raw]
    classes: Mapping[str, Raw]
    nodes: Mapping[str, Raw]
    csi_nodes: Mapping[str, Raw]
    unended: frozenset[tuple[str, str]] | None = None

    @cached_property
    def by_namespace(self) -> dict[str, dict[str, list[Raw]]]:
        """The lists of what stands around a set, namespace by namespace."""
        found: dict[str, dict[str, list[Raw]]] = defaultdict(lambda: defaultdict(list))
        for kind in ("pods", "revisions", "budgets", "autoscalers"):
            for item in getattr(self, kind):
                found[item["metadata"]["namespace"]][kind].append(item)
        return found

    @cached_property
    def claims_by_name(self) -> dict[str, dict[str, Raw]]:
        """The claims of every namespace."""
        found: dict[str, dict[str, Raw]] = defaultdict(dict)
        for claim in self.claims:
            found[claim["metadata"]["namespace"]][name_of(claim)] = claim
        return found

    @cached_property
    def members(self) -> dict[tuple[str, str], list[Member]]:
        """What could be a replica's volume, by namespace and `<template>-<set>`."""
        found: dict[tuple[str, str], list[Member]] = defaultdict(list)
        for namespace, claim, volume, held in _claimed(self):
            stem, _, ordinal = claim.rpartition("-")
            if ordinal.isdigit():
                found[namespace, stem].append(Member(int(ordinal), volume, held))
        return found

    @cached_property
    def by_path(self) -> dict[DiskPath, list[Raw]]:
        """Every in-tree volume by its disk."""
        found: dict[DiskPath, list[Raw]] = defaultdict(list)
        for volume in self.volumes.values():
            path = path_of(volume)
            if path:
                found[path].append(volume)
        return found

    @cached_property
    def csi_classes(self) -> tuple[str, ...]:
        """The names of the CSI driver's classes."""
        return self._classes_of(CSI_DRIVER)

    @cached_property
    def csi_class(self) -> str:
        """The only one, or the one that is a default; empty if that does not tell one."""
        names = self.csi_classes
        if len(names) > 1:
            names = tuple(name for name in names if _is_default(self.classes[name]))
        return names[0] if len(names) == 1 else ""

    @cached_property
    def intree_class(self) -> str:
        """The first class of the in-tree plugin by name; empty if there is none."""
        return next(iter(self._classes_of(IN_TREE_PROVISIONER)), "")

    def _classes_of(self, provisioner: str) -> tuple[str, ...]:
        items = self.classes.items()
        return tuple(sorted(name for name, c in items if c["provisioner"] == provisioner))


def path_of(volume: Raw) -> DiskPath | None:
    """The disk of an in-tree volume, if its path can be read."""
    try:
        return DiskPath.parse(volume["spec"]["vsphereVolume"]["volumePath"])
    except (KeyError, TypeError, ValueError):
        return None


def _claimed(lists: Lists) -> Iterator[tuple[str, str, Raw, bool]]:
    """Namespace and name of a claim, its volume, and whether the claim is there and has it.

    A volume that no claim has still names the one that it was of: in the middle of a swap
    that is all there is to tell whose it is.
    """
    held = set[str]()
    for claim in lists.claims:
        volume = lists.volumes.get(claim["spec"].get("volumeName", ""))
        if volume:
            held.add(name_of(volume))
            yield claim["metadata"]["namespace"], name_of(claim), volume, True
    for name, volume in lists.volumes.items():
        reference = volume["spec"].get("claimRef") or {}
        if name not in held and reference:
            yield reference.get("namespace", ""), reference.get("name", ""), volume, False


def _is_default(storage_class: Raw) -> bool:
    """Kubernetes: component-helpers/storage/volume, IsDefaultAnnotation."""
    marks = annotations_of(storage_class)
    return any(marks.get(mark) == "true" for mark in _DEFAULT_MARKS)
