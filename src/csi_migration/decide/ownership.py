"""Who owns which field of a StatefulSet that was created again.

The server lets nobody choose owners when an object is created: whoever creates it
owns every field, and the old owner's next server-side apply meets a conflict with
him. Afterwards it takes `metadata.managedFields` from an update as it stands there
(kubernetes: apimachinery, pkg/util/managedfields/internal/fieldmanager.go:decodeLiveOrNew).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

from csi_migration.model.objects import FIELD_MANAGER, Raw

Entries = list[Raw]
Path = tuple[str, ...]
Paths = frozenset[Path]

# By this entry the tool knows its own set. The server drops an entry that owns
# nothing, so it owns what the tool really changed and what nobody can take from
# it, since the field is immutable; the old owner owns it as well. Its operation is
# Apply, because the server merges the oldest of more than ten Update entries into
# one, whose manager it calls "ancient-changes" (capmanagers.go).
MARKER: Raw = {
    "manager": FIELD_MANAGER,
    "operation": "Apply",
    "apiVersion": "apps/v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {"f:volumeClaimTemplates": {}}},
}

# How to write that a field has no owner at all (fieldmanager.go:isResetManagedFields).
RESET: Entries = [{}]

_ITSELF = "."


def ownership_to_write(before: Raw, live: Raw, *, marked: bool) -> Entries:
    """The managedFields that give the fields of `live` back to their owners.

    From `before`, the set before it was taken away, come the owners that it had;
    from `live` those who wrote since. What belongs to the status is of `live`
    only, because that status was written anew. A field whose value somebody
    changed since its creation is his: so the server would have decided
    (structured-merge-diff: merge/update.go:Updater.update). Once the tool's entry
    on `live` is no more than the marker, `live` alone counts.

    Args:
        before: with the managedFields that the server sent.
        live: likewise, the set that the tool created in its place.
        marked: leave the marker by which the tool knows its own set.
    """
    others = _others(live)
    if not is_given_back(live):
        taken = frozenset().union(*map(_paths_of, others)) - held_by_tool(entries_of(live))
        others = _merged([*_without(_others(before), taken), *others])
    return [*others, copy.deepcopy(MARKER)] if marked else others


def is_given_back(item: Raw) -> bool:
    """Whether the tool owns no more of the object than the marker, if that.

    The owners of a set of which this is not true are those of the set before it:
    the tool was killed between its creation and the giving back.
    """
    return held_by_tool(entries_of(item)) <= _MARKED


def is_same_ownership(one: Entries, other: Entries) -> bool:
    """Whether both say the same; the order of entries and of fields says nothing."""
    return _comparable(one) == _comparable(other)


def held_by_tool(entries: Entries) -> Paths:
    """The fields that the tool owns, each as its path."""
    return frozenset().union(*(_paths_of(entry) for entry in entries if _is_ours(entry)))


def entries_of(item: Raw) -> Entries:
    """The object's managedFields; empty when it has none."""
    return [entry for entry in item["metadata"].get("managedFields") or [] if entry]


def paths(fields: Raw, at: Path = ()) -> Iterator[Path]:
    """A fieldsV1 as the set of its members (structured-merge-diff: fieldpath/serialize.go).

    A key with nothing below it is a member; one with something below it is a
    member only if that includes ".".
    """
    for key, below in fields.items():
        if key == _ITSELF:
            yield at
        elif below:
            yield from paths(below, (*at, key))
        else:
            yield (*at, key)


def fields_v1(members: Iterable[Path]) -> Raw:
    """The fieldsV1 with these members; the other way round of `paths`."""
    root: Raw = {}
    ends = [_made(root, path) for path in members]
    for end in ends:
        if end:
            end[_ITSELF] = {}
    return root


def _made(root: Raw, path: Path) -> Raw:
    for key in path:
        root = root.setdefault(key, {})
    return root


def _is_ours(entry: Raw) -> bool:
    return entry.get("manager") == FIELD_MANAGER


def _is_specified(entry: Raw) -> bool:
    return entry.get("subresource") != "status"


def _others(item: Raw) -> Entries:
    return [copy.deepcopy(entry) for entry in entries_of(item) if not _is_ours(entry)]


def _paths_of(entry: Raw) -> Paths:
    return frozenset(paths(entry.get("fieldsV1") or {}))


_MARKED = _paths_of(MARKER)


def _without(entries: Entries, taken: Paths) -> Iterator[Raw]:
    """The entries that are not about the status, without the fields in `taken`."""
    for entry in filter(_is_specified, entries):
        left = _paths_of(entry) - taken
        if left == _paths_of(entry):
            yield entry
        elif left:
            yield entry | {"fieldsV1": fields_v1(left)}


def _merged(entries: Entries) -> Entries:
    """One entry for each identity: of two, the server would keep the last only."""
    by_identity: dict[Path, Raw] = {}
    for entry in entries:
        known = by_identity.get(_identity(entry))
        by_identity[_identity(entry)] = _both(known, entry) if known else entry
    return list(by_identity.values())


def _both(one: Raw, other: Raw) -> Raw:
    both = other | {"fieldsV1": fields_v1(_paths_of(one) | _paths_of(other))}
    times = [entry["time"] for entry in (one, other) if entry.get("time")]
    return both | ({"time": max(times)} if times else {})


def _identity(entry: Raw) -> Path:
    """What tells two entries apart (managedfields.go:BuildManagerIdentifier)."""
    operation = entry.get("operation", "")
    version = entry.get("apiVersion", "") if operation == "Update" else ""
    return (entry.get("manager", ""), operation, entry.get("subresource", ""), version)


def _comparable(entries: Entries) -> dict[Path, tuple[Paths, str]]:
    return {_identity(e): (_paths_of(e), e.get("time") or "") for e in entries if e}
