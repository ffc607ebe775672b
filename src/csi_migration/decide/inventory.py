"""From lists of a whole cluster to one row for each StatefulSet with in-tree volumes."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from csi_migration.decide.catalogue import findings
from csi_migration.decide.checks_volumes import claims_by_ordinal
from csi_migration.decide.manifests import new_volume_name
from csi_migration.model.disk import DiskPath
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.inventory import Inventory, LooseVolume, SetRow, Verdict
from csi_migration.model.objects import (
    CSI_DRIVER,
    Raw,
    annotations_of,
    claim_templates_of,
    class_of,
    is_in_tree,
    is_ready,
    name_of,
    ordinals_of,
)
from csi_migration.model.quantity import parse_quantity
from csi_migration.model.snapshot import Request, Snapshot

_TOOL = "statefulset-csi-migration-tool"
# No class can be called so: names have no capitals.
_PLACEHOLDER = "CSI_STORAGECLASS"
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
        items = self.classes.items()
        return tuple(sorted(name for name, c in items if c["provisioner"] == CSI_DRIVER))

    @cached_property
    def csi_class(self) -> str:
        """The only one, or the one that is a default; empty if that does not tell one."""
        names = self.csi_classes
        if len(names) > 1:
            names = tuple(name for name in names if _is_default(self.classes[name]))
        return names[0] if len(names) == 1 else ""


def inventory_of(lists: Lists) -> Inventory:
    """All sets, the best verdict first, and the in-tree volumes of nobody's."""
    rows, used = [], set[str]()
    for statefulset in lists.statefulsets:
        members = _members(lists, statefulset)
        in_tree = {name_of(m.volume) for each in members for m in each if is_in_tree(m.volume)}
        used |= in_tree
        if in_tree:
            rows.append(_row(lists, statefulset, members))
    order = list(Verdict)
    rows.sort(key=lambda row: (order.index(row.verdict), row.namespace, row.name))
    return Inventory(
        cluster=lists.cluster,
        csi_classes=lists.csi_classes,
        csi_class=lists.csi_class,
        sets=tuple(rows),
        loose=tuple(_loose_volumes(lists, used)),
    )


def path_of(volume: Raw) -> DiskPath | None:
    """The disk of an in-tree volume, if its path can be read."""
    try:
        return DiskPath.parse(volume["spec"]["vsphereVolume"]["volumePath"])
    except (KeyError, TypeError, ValueError):
        return None


# One set -------------------------------------------------------------------------


def _members(lists: Lists, statefulset: Raw) -> list[list[Member]]:
    """The volumes of each claim template, of whatever ordinal."""
    namespace, name = statefulset["metadata"]["namespace"], name_of(statefulset)
    stems = (f"{name_of(template)}-{name}" for template in claim_templates_of(statefulset))
    return [lists.members.get((namespace, stem), []) for stem in stems]


def _snapshot(lists: Lists, statefulset: Raw, intree_class: str) -> Snapshot:
    """What the checks look at, as far as lists of the whole cluster tell."""
    namespace, name = statefulset["metadata"]["namespace"], name_of(statefulset)
    around, claims = lists.by_namespace[namespace], lists.claims_by_name[namespace]
    ordinals = {f"{name}-{ordinal}": ordinal for ordinal in ordinals_of(statefulset)}
    csi_class = lists.csi_class or _PLACEHOLDER
    snapshot = Snapshot(
        request=Request(namespace, name, intree_class, csi_class),
        server_version=lists.version,
        statefulset=statefulset,
        revisions={name_of(one): one for one in around["revisions"]},
        pods={ordinals[name_of(p)]: p for p in around["pods"] if name_of(p) in ordinals},
        claims={},
        volumes={},
        classes=dict(lists.classes),
        namespace_pods=tuple(around["pods"]),
        namespace_claims=claims,
        budgets=tuple(around["budgets"]),
        autoscalers=tuple(around["autoscalers"]),
        nodes=dict(lists.nodes),
        csi_nodes=dict(lists.csi_nodes),
    )
    wanted = [name for _, name in claims_by_ordinal(snapshot)]
    own = {name: claims[name] for name in wanted if name in claims}
    return replace(snapshot, claims=own, volumes=_volumes(lists, own))


def _volumes(lists: Lists, claims: Mapping[str, Raw]) -> dict[str, Raw]:
    """Those of the claims, and all others on the same disks or under the names to come."""
    found: dict[str, Raw] = {}
    for claim in claims.values():
        volume = lists.volumes.get(claim["spec"].get("volumeName", ""))
        if volume:
            path = path_of(volume)
            same = lists.by_path[path] if path else []
            to_come = lists.volumes.get(new_volume_name(volume))
            found |= {name_of(one): one for one in (volume, *same, to_come) if one}
    return found


def _row(lists: Lists, statefulset: Raw, members: list[list[Member]]) -> SetRow:
    ordinals = ordinals_of(statefulset)
    every = [member for each in members for member in each]
    own = [m.volume for m in every if m.held and m.ordinal in ordinals]
    in_tree = [member for member in every if is_in_tree(member.volume)]
    snapshot = _snapshot(lists, statefulset, _commonest_class(m.volume for m in in_tree))
    found = _findings(lists, snapshot)
    verdict = _verdict(found, is_partly=_is_partly(members, ordinals))
    return SetRow(
        namespace=snapshot.request.namespace,
        name=snapshot.request.statefulset,
        intree_class=snapshot.request.intree_class,
        csi_class=lists.csi_class,
        in_tree=sum(is_in_tree(volume) for volume in own),
        csi=sum(not is_in_tree(volume) for volume in own),
        scaled_away=sum(m.held and m.ordinal not in ordinals for m in in_tree),
        released=sum(not m.held for m in in_tree),
        size_bytes=sum(size_of(member.volume) for member in in_tree),
        ready=sum(is_ready(pod) for pod in snapshot.pods.values()),
        replicas=len(ordinals),
        verdict=verdict,
        findings=tuple(dict.fromkeys(finding.id for finding in found)),
        next=_next(lists.places, snapshot.request, verdict),
    )


def _commonest_class(volumes: Iterable[Raw]) -> str:
    """The one that a person would most likely give."""
    return Counter(map(class_of, volumes)).most_common(1)[0][0]


def _findings(lists: Lists, snapshot: Snapshot) -> list[Finding]:
    """What stands in the way; nothing about a class that only a person can choose."""
    unchosen = f"storageclass/{_PLACEHOLDER}" if lists.csi_classes else ""
    return [
        finding
        for finding in findings(snapshot)
        if finding.forbids and finding.known and finding.subject != unchosen
    ]


def _is_partly(members: list[list[Member]], ordinals: range) -> bool:
    """Whether a template has volumes of both kinds, as a migration that was begun leaves it.

    A template that was on CSI from the start tells nothing, nor do replicas that were
    scaled away before the others were migrated.
    """
    for each in members:
        held = [member for member in each if member.held]
        live = [member for member in held if member.ordinal in ordinals]
        if len({is_in_tree(member.volume) for member in live or held}) > 1:
            return True
    return False


def _verdict(found: list[Finding], *, is_partly: bool) -> Verdict:
    if is_partly:
        return Verdict.PARTLY
    if any(finding.severity is Severity.BLOCKER for finding in found):
        return Verdict.BLOCKED
    return Verdict.TO_ACCEPT if found else Verdict.READY


def _next(places: tuple[str, ...], request: Request, verdict: Verdict) -> str:
    words = (
        *(_TOOL, "preflight", *places),
        *("--sts-namespace", request.namespace, "--sts-name", request.statefulset),
        *("--intree-storageclass", request.intree_class),
        *("--csi-storageclass", request.csi_class),
    )
    if verdict is not Verdict.PARTLY:
        return shlex.join(words)
    return (
        f"{_TOOL} rolling-migration resume --working-directory DIRECTORY "
        f"(if there is a working directory of its migration; else: {shlex.join(words)})"
    )


# Volumes ---------------------------------------------------------------------------


def size_of(volume: Raw) -> int:
    """Its capacity in bytes."""
    return int(parse_quantity(volume["spec"]["capacity"]["storage"]))


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


def _loose_volumes(lists: Lists, used: set[str]) -> Iterator[LooseVolume]:
    for name, volume in lists.volumes.items():
        if name not in used and is_in_tree(volume):
            found = _loose(volume)
            if lists.namespace in ("", found.namespace):
                yield found


def _loose(volume: Raw) -> LooseVolume:
    reference = volume["spec"].get("claimRef") or {}
    return LooseVolume(
        name=name_of(volume),
        namespace=reference.get("namespace", ""),
        claim=reference.get("name", ""),
        storage_class=class_of(volume),
        size_bytes=size_of(volume),
        phase=(volume.get("status") or {}).get("phase", ""),
    )
