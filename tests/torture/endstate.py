"""What is there when all is over, in words that are the same for each fresh namespace.

Two states can be compared whatever uids, times, nodes and generated names they
came with. Objects are named after the claims that they belong to.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from lab.client import Object
from tests.lab.world import World, attached

State = dict[str, Object]

_PATTERNS = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\bnode-\d\b"), "NODE"),
    (re.compile(r"\bzone-[abc]\b"), "ZONE"),
    (re.compile(r"\b(?:10\.200|192\.0\.2)(?:\.\d+)+\b"), "IP"),
    (re.compile(r"kube-api-access-\w+"), "kube-api-access"),
)
_LEFT_OUT = (
    # Compared apart: times come with it, and not every end is to be told by it.
    "managedFields",
    "resourceVersion",
    "generation",
    "observedGeneration",
    # The StatefulSet controller's pods have one beside their name; it is of no effect.
    "generateName",
    # The binder's own note: it tells who chose, not what was chosen.
    "pv.kubernetes.io/bound-by-controller",
)
# Kinds that only Kubernetes itself makes in a fresh namespace.
_NOT_THE_TOOLS = {("ConfigMap", "kube-root-ca.crt")}
_UNORDERED = {"conditions": "type", "volumes": "name", "ownerReferences": "name"}
HELD = ("StatefulSet", "PersistentVolumeClaim", "PersistentVolume")
_HOLDERS = "holders of "
_MAKERS = ("python-urllib3 Update", "statefulset-csi-migration-tool Update")
KEPT = "keepAfterDeleteVm"
_FIRST_DISK = "FirstClassDisk fcd-of-"


def state_of(world: World, paths: Mapping[str, str], namespace: str) -> State:
    """Every object of the world, by kind and comparable name.

    `paths` are the VMDKs of the claims as they were at the beginning: a claim
    that ends up on another one's disk differs.
    """
    names = _names(world, paths, namespace)
    state: State = {}
    for kind, items in world.by_kind.items():
        for name, item in items.items():
            if (kind, name) not in _NOT_THE_TOOLS:
                state[f"{kind} {names.get(name, name)}"] = _normal(item, names)
    return state


def holders_of(world: World, paths: Mapping[str, str], namespace: str) -> State:
    """Who holds which fields of the set, its claims and volumes, without the times."""
    names = _names(world, paths, namespace)
    return {
        f"{_HOLDERS}{kind} {names.get(name, name)}": _normal(_held(item), names)
        for kind in HELD
        for name, item in world.by_kind.get(kind, {}).items()
    }


def taken_back(original: State, found: State) -> list[str]:
    """The difference, but for what no rollback takes back: that a VMDK has become a First Class
    Disk, and one that outlives its VM; and which of their two makers holds the fields of claims
    and volumes, the lab or, of those that came back, the tool.
    """
    made = {name for name in found.keys() - original.keys() if name.startswith(_FIRST_DISK)}
    left = {
        name: _no_more_protected(item, original.get(name, {}))
        for name, item in found.items()
        if name not in made
    }
    return difference(*map(_of_either_maker, (original, left)))


def of_replica(state: State, pod: str) -> State:
    """The pod, its claims, their volumes, attachments and records."""
    own = (f" {pod}", f"-{pod}")
    return {name: item for name, item in state.items() if name.endswith(own)}


def difference(expected: State, found: State) -> list[str]:
    """What is there and should not be, or the other way round, object by object."""
    missing = [f"missing: {name}" for name in expected if name not in found]
    extra = [f"left behind or unexpected: {name}" for name in found if name not in expected]
    changed = [
        f"{name}: {line}"
        for name in expected
        if name in found and found[name] != expected[name]
        for line in _changes(expected[name], found[name])
    ]
    return missing + extra + changed


def _of_either_maker(state: State) -> State:
    return {
        name: _as_one(item) if name.startswith(f"{_HOLDERS}PersistentVolume") else item
        for name, item in state.items()
    }


def _as_one(held: Object) -> Object:
    """A claim's or volume's holders, with the lab and the tool taken for one."""
    by_others = {holder: fields for holder, fields in held.items() if holder not in _MAKERS}
    by_makers = {field for holder in _MAKERS for field in held.get(holder, ())}
    return {**by_others, "its makers": sorted(by_makers)}


def _no_more_protected(item: Object, before: Object) -> Object:
    """As if it had been left unprotected, if it was."""
    if _unprotected(before):
        return {**item, "spec": {**item["spec"], KEPT: False}}
    return item


def _unprotected(item: Object) -> bool:
    spec = item.get("spec")
    return isinstance(spec, dict) and spec.get(KEPT) is False


def _held(item: Object) -> Object:
    held: dict[str, list[str]] = {}
    for one in item["metadata"].get("managedFields", ()):
        holder = " ".join((one["manager"], one["operation"], one.get("subresource", "")))
        held.setdefault(holder.strip(), []).extend(_leaves(one.get("fieldsV1") or {}))
    return {holder: sorted(fields) for holder, fields in held.items()}


def _leaves(fields: Object, path: str = "") -> Iterable[str]:
    """`f:spec/f:replicas` for each field.

    A touch sets an annotation and takes it off again. Whether that leaves the empty map
    with its holder, and a dot for who made it, is a matter of time. What is of no effect has
    no holder either.
    """
    passed_over = {".", *(f"f:{name}" for name in _LEFT_OUT)}
    below_it = {name: below for name, below in fields.items() if name not in passed_over}
    if not below_it and not path.endswith("f:annotations"):
        yield path
    for name, below in below_it.items():
        yield from _leaves(below, f"{path}/{name}" if path else name)


def _changes(expected: Object, found: Object) -> Iterable[str]:
    before, after = (yaml.safe_dump(one).splitlines() for one in (expected, found))
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _names(world: World, paths: Mapping[str, str], namespace: str) -> dict[str, str]:
    """What each generated name becomes; a First Class Disk is called after its VMDK's claim."""
    names = {path: f"vmdk-of-{claim}" for claim, path in paths.items()}
    for known, disk in world.by_kind.get("FirstClassDisk", {}).items():
        claim = names[disk["spec"]["filePath"]].removeprefix("vmdk-of-")
        names[known] = _unused(f"fcd-of-{claim}", names)
    for name, volume in world["PersistentVolume"].items():
        names[name] = _unused(_name_of(volume, names), names)
    for name, attachment in world["VolumeAttachment"].items():
        of = attached(attachment)
        names[name] = _unused(f"attachment-of-{names.get(of, of)}", names)
    names[namespace] = "NAMESPACE"
    return names | _uids(world, names)


def _name_of(volume: Object, names: Mapping[str, str]) -> str:
    spec = volume["spec"]
    if "claimRef" in spec:
        return f"pv-of-{spec['claimRef']['name']}"
    disk = spec["csi"]["volumeHandle"] if "csi" in spec else spec["vsphereVolume"]["volumePath"]
    return f"unclaimed-pv-of-{names.get(disk, disk)}"


def _uids(world: World, names: Mapping[str, str]) -> dict[str, str]:
    """Of Kubernetes' objects; a disk's id is its name."""
    return {
        item["metadata"]["uid"]: f"uid-of-{kind}-{names.get(name, name)}"
        for kind, items in world.by_kind.items()
        for name, item in items.items()
        if "uid" in item["metadata"]
    }


def _unused(name: str, names: Mapping[str, str]) -> str:
    """So that a second volume of one claim is seen as one too many, and as its replica's."""
    while name in names.values():
        name = f"another-{name}"
    return name


def _normal(item: Object, names: Mapping[str, str]) -> Object:
    text = json.dumps(_stripped(item))
    # The longest first: a path holds the name of its volume.
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, names[name])
    for pattern, word in _PATTERNS:
        text = pattern.sub(word, text)
    normal: Object = json.loads(text)
    return normal


def _stripped(value: Any, key: str = "") -> Any:
    """Without what differs from run to run, and with what has no order sorted."""
    if isinstance(value, dict):
        return {k: _stripped(v, k) for k, v in value.items() if k not in _LEFT_OUT}
    if not isinstance(value, list):
        return value
    items = [_stripped(one) for one in value]
    if key == "finalizers":
        return sorted(items)
    if key in _UNORDERED:
        return sorted(items, key=lambda one: str(one.get(_UNORDERED[key])))
    return items
