"""From lists of a whole cluster to one row for each StatefulSet with in-tree volumes."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from csi_migration.decide.catalogue import findings
from csi_migration.decide.checks_volumes import claims_by_ordinal
from csi_migration.decide.inventory_lists import Lists, Member, path_of
from csi_migration.decide.manifests import new_volume_name
from csi_migration.model.finding import Finding, Severity
from csi_migration.model.inventory import Inventory, LooseVolume, SetRow, Verdict
from csi_migration.model.objects import (
    Raw,
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
_INTREE_PLACEHOLDER = "INTREE_STORAGECLASS"


def inventory_of(lists: Lists) -> Inventory:
    """All sets, the best verdict first, and the in-tree volumes of nobody's."""
    rows, used = [], set[str]()
    for statefulset in lists.statefulsets:
        members = _members(lists, statefulset)
        volumes = [member.volume for each in members for member in each]
        used |= set(map(name_of, volumes))
        if any(map(is_in_tree, volumes)) or _is_unended(lists, statefulset):
            rows.append(_row(lists, statefulset, members))
    for namespace, name in _away(lists):
        left = _left_by(lists, namespace, name, used)
        used |= {name_of(member.volume) for member in left}
        rows.append(_away_row(lists, Request(namespace, name, "", lists.csi_class), left))
    order = list(Verdict)
    rows.sort(key=lambda row: (order.index(row.verdict), row.namespace, row.name))
    return Inventory(
        cluster=lists.cluster,
        csi_classes=lists.csi_classes,
        csi_class=lists.csi_class,
        sets=tuple(rows),
        loose=tuple(_loose_volumes(lists, used)),
        sees_migrations=lists.unended is not None,
    )


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
    of_volumes = _commonest_class(m.volume for m in in_tree)
    snapshot = _snapshot(lists, statefulset, _class_to_give(lists, in_tree))
    found = _findings(lists, snapshot)
    verdict = _verdict(found, is_partly=_is_partly(members, ordinals))
    if _is_unended(lists, statefulset):
        verdict, found = Verdict.UNDER_WAY, []
    elif verdict is not Verdict.PARTLY and own and not any(map(is_in_tree, own)):
        verdict, found = Verdict.LEFT_OVER, []
    left = [m.volume for m in in_tree if not m.held or m.ordinal not in ordinals]
    return SetRow(
        namespace=snapshot.request.namespace,
        name=snapshot.request.statefulset,
        intree_class=of_volumes,
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
        left=tuple(sorted(map(name_of, left))),
        next=_next(lists.places, snapshot.request, verdict, left),
    )


def _is_unended(lists: Lists, statefulset: Raw) -> bool:
    key = (statefulset["metadata"]["namespace"], name_of(statefulset))
    return key in (lists.unended or ())


def _commonest_class(volumes: Iterable[Raw]) -> str:
    """The one that a person would most likely give; empty without any volume."""
    classes = Counter(map(class_of, volumes)).most_common(1)
    return classes[0][0] if classes else ""


def _class_to_give(lists: Lists, in_tree: Iterable[Member]) -> str:
    """For --intree-storageclass, which names a class: one of the volumes', or else the
    cluster's own, if that has one; what differs from it is to be accepted.
    """
    named = _commonest_class(m.volume for m in in_tree if class_of(m.volume))
    return named or lists.intree_class or _INTREE_PLACEHOLDER


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


def _next(
    places: tuple[str, ...], request: Request, verdict: Verdict, left: Iterable[Raw] = ()
) -> str:
    named = ("--sts-namespace", request.namespace, "--sts-name", request.statefulset)
    if verdict is Verdict.UNDER_WAY:
        return (
            f"{_TOOL} rolling-migration resume --working-directory DIRECTORY (or rollback, to "
            f"take it back; if its directory is lost, a new one: {shlex.join((*places, *named))})"
        )
    if verdict is Verdict.LEFT_OVER:
        return shlex.join(("kubectl", "get", "persistentvolumes", *sorted(map(name_of, left))))
    words = (
        *(_TOOL, "preflight", *places, *named),
        *("--intree-storageclass", request.intree_class),
        *("--csi-storageclass", request.csi_class),
    )
    if verdict is not Verdict.PARTLY:
        return shlex.join(words)
    return (
        f"{_TOOL} rolling-migration resume --working-directory DIRECTORY "
        f"(if there is a working directory of its migration; else: {shlex.join(words)})"
    )


# Sets that are away ----------------------------------------------------------------


def _away(lists: Lists) -> list[tuple[str, str]]:
    """Namespace and name of the sets that are not there, while their migration has not ended.

    The longest name first: of the claims of `my-web`, `web` is the end, too.
    """
    there = {(one["metadata"]["namespace"], name_of(one)) for one in lists.statefulsets}
    away = (lists.unended or frozenset()) - there
    return sorted(away, key=lambda each: (-len(each[1]), each))


def _left_by(lists: Lists, namespace: str, name: str, used: set[str]) -> list[Member]:
    """The volumes of such a set: of claims `<template>-<name>-<ordinal>`, if no other set's.

    Its templates went with it, so nothing else tells.
    """
    return [
        member
        for (where, stem), members in lists.members.items()
        if where == namespace and stem.endswith(f"-{name}")
        for member in members
        if name_of(member.volume) not in used
    ]


def _away_row(lists: Lists, request: Request, members: list[Member]) -> SetRow:
    in_tree = [member for member in members if is_in_tree(member.volume)]
    ordinals = {member.ordinal for member in members}
    pods = {f"{request.statefulset}-{ordinal}" for ordinal in ordinals}
    around = lists.by_namespace[request.namespace]["pods"]
    return SetRow(
        namespace=request.namespace,
        name=request.statefulset,
        intree_class=_commonest_class(member.volume for member in in_tree),
        csi_class=lists.csi_class,
        in_tree=sum(member.held for member in in_tree),
        csi=sum(m.held and not is_in_tree(m.volume) for m in members),
        scaled_away=0,
        released=sum(not member.held for member in in_tree),
        size_bytes=sum(size_of(member.volume) for member in in_tree),
        ready=sum(is_ready(pod) for pod in around if name_of(pod) in pods),
        replicas=len(ordinals),
        verdict=Verdict.UNDER_WAY,
        findings=(),
        left=tuple(sorted(name_of(m.volume) for m in in_tree if not m.held)),
        next=_next(lists.places, request, Verdict.UNDER_WAY),
    )


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
