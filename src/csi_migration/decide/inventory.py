"""From lists of a whole cluster to one row for each StatefulSet with in-tree volumes."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from csi_migration.decide.catalogue import findings
from csi_migration.decide.checks_volumes import claims_by_ordinal
from csi_migration.model.disk import DiskPath
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.inventory import Inventory, LooseVolume, SetRow, Verdict
from csi_migration.model.objects import (
    CSI_DRIVER,
    Raw,
    class_of,
    is_ready,
    name_of,
    ordinals_of,
)
from csi_migration.model.quantity import parse_quantity
from csi_migration.model.snapshot import Request, Snapshot

_TOOL = "statefulset-csi-migration-tool"
_PLACEHOLDER = "CSI_STORAGECLASS"


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
        """Every namespaced list, namespace by namespace."""
        found: dict[str, dict[str, list[Raw]]] = defaultdict(lambda: defaultdict(list))
        for kind in ("statefulsets", "claims", "pods", "revisions", "budgets", "autoscalers"):
            for item in getattr(self, kind):
                found[item["metadata"]["namespace"]][kind].append(item)
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


def inventory_of(lists: Lists) -> Inventory:
    """All sets, the best verdict first, and the in-tree volumes of nobody's."""
    rows, used = [], set[str]()
    for statefulset in lists.statefulsets:
        snapshot = _snapshot(lists, statefulset)
        own = _own_volumes(snapshot)
        used |= {name_of(volume) for volume in own}
        if any(is_in_tree(volume) for volume in own):
            rows.append(_row(lists, snapshot, own))
    order = list(Verdict)
    rows.sort(key=lambda row: (order.index(row.verdict), row.namespace, row.name))
    return Inventory(
        cluster=lists.cluster,
        csi_classes=lists.csi_classes,
        sets=tuple(rows),
        loose=tuple(_loose_volumes(lists, used)),
    )


def is_in_tree(volume: Raw) -> bool:
    """Whether it is an in-tree vSphere volume."""
    return bool(volume["spec"].get("vsphereVolume"))


def path_of(volume: Raw) -> DiskPath | None:
    """The disk of an in-tree volume, if its path can be read."""
    try:
        return DiskPath.parse(volume["spec"]["vsphereVolume"]["volumePath"])
    except (KeyError, TypeError, ValueError):
        return None


# One set -------------------------------------------------------------------------


def _snapshot(lists: Lists, statefulset: Raw) -> Snapshot:
    """What the checks look at, as far as lists of the whole cluster tell."""
    namespace, name = statefulset["metadata"]["namespace"], name_of(statefulset)
    around = lists.by_namespace[namespace]
    ordinals = {f"{name}-{ordinal}": ordinal for ordinal in ordinals_of(statefulset)}
    claims = {name_of(claim): claim for claim in around["claims"]}
    snapshot = Snapshot(
        request=Request(namespace, name, "", ""),
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
    return _with_classes(lists, replace(snapshot, claims=own, volumes=_volumes(lists, own)))


def _volumes(lists: Lists, claims: Mapping[str, Raw]) -> dict[str, Raw]:
    """Those of the claims, and all others on the same disks or under the names to come."""
    found: dict[str, Raw] = {}
    for claim in claims.values():
        volume = lists.volumes.get(claim["spec"].get("volumeName", ""))
        if volume:
            path = path_of(volume)
            same = lists.by_path[path] if path else []
            found |= {name_of(one): one for one in (volume, *same)}
    return found


def _with_classes(lists: Lists, snapshot: Snapshot) -> Snapshot:
    """The classes that a person would most likely give."""
    found = Counter(class_of(v) for v in _own_volumes(snapshot) if is_in_tree(v))
    intree = found.most_common(1)[0][0] if found else ""
    csi = lists.csi_classes[0] if lists.csi_classes else ""
    return replace(snapshot, request=replace(snapshot.request, intree_class=intree, csi_class=csi))


def _own_volumes(snapshot: Snapshot) -> list[Raw]:
    names = (claim["spec"].get("volumeName", "") for claim in snapshot.claims.values())
    return [snapshot.volumes[name] for name in names if name in snapshot.volumes]


def _row(lists: Lists, snapshot: Snapshot, own: list[Raw]) -> SetRow:
    request = snapshot.request
    in_tree = [volume for volume in own if is_in_tree(volume)]
    found = [finding for finding in findings(snapshot) if finding.forbids and finding.known]
    verdict = _verdict(found, has_csi=_has_csi(own))
    csi_class = lists.csi_classes[0] if len(lists.csi_classes) == 1 else ""
    return SetRow(
        namespace=request.namespace,
        name=request.statefulset,
        intree_class=request.intree_class,
        csi_class=csi_class,
        in_tree=len(in_tree),
        csi=len(own) - len(in_tree),
        size_bytes=sum(size_of(volume) for volume in in_tree),
        ready=sum(is_ready(pod) for pod in snapshot.pods.values()),
        replicas=len(ordinals_of(snapshot.statefulset)),
        verdict=verdict,
        findings=tuple(dict.fromkeys(finding.id for finding in found)),
        next=_next(lists.places, request, csi_class, verdict),
    )


def _has_csi(own: Iterable[Raw]) -> bool:
    return any(volume["spec"].get("csi") for volume in own)


def _verdict(found: list[Finding], *, has_csi: bool) -> Verdict:
    if has_csi:
        return Verdict.PARTLY
    if any(finding.severity is Severity.BLOCKER for finding in found):
        return Verdict.BLOCKED
    return Verdict.TO_ACCEPT if found else Verdict.READY


def _next(places: tuple[str, ...], request: Request, csi_class: str, verdict: Verdict) -> str:
    if verdict is Verdict.PARTLY:
        return (
            f"{_TOOL} rolling-migration resume --working-directory DIRECTORY "
            f"(of the migration of {request.namespace}/{request.statefulset} that was begun)"
        )
    words = (
        *(_TOOL, "preflight", *places),
        *("--sts-namespace", request.namespace, "--sts-name", request.statefulset),
        *("--intree-storageclass", request.intree_class),
        *("--csi-storageclass", csi_class or _PLACEHOLDER),
    )
    return shlex.join(words)


# Volumes ---------------------------------------------------------------------------


def size_of(volume: Raw) -> int:
    """Its capacity in bytes."""
    return int(parse_quantity(volume["spec"]["capacity"]["storage"]))


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
