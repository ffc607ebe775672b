"""Gives the fields of a StatefulSet that was created again back to their owners."""

from __future__ import annotations

import time

from csi_migration.decide.ownership import (
    RESET,
    Entries,
    entries_of,
    held_by_tool,
    is_same_ownership,
    ownership_to_write,
)
from csi_migration.kube import Client, Conflict, MaybeApplied, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import Raw, name_of, resource_version_of, uid_of

# The set's controller writes its status several times in the moments after the creation.
_TRIES = 10
_PAUSE_SECONDS = 0.1


def give_back_ownership(
    client: Client, namespace: str, before: Raw, uid: str, *, marked: bool
) -> None:
    """Make the managers that `before` had the managers of the set with this uid.

    Nothing but `metadata.managedFields` is written, and nothing at all if it says
    so already. The write holds for the very version that was compared; when that
    changed, or an answer was lost, it is read and compared again. May be called
    again at any time.

    Args:
        client: the cluster that runs the set.
        namespace: of the set.
        before: the set before it was taken away, with the managedFields that the
            server sent (`model.objects.recreated` takes them off).
        uid: of the set that the tool created in its place.
        marked: leave one small entry of the tool, by which it knows its own set
            (`model.objects.is_made_by_tool`). Without, no trace of the tool stays,
            and it takes the set for somebody else's from then on.

    Raises:
        NotFound: the set is away.
        NeedsPerson: there is another set of that name, or the server keeps the tool
            as the owner.
        Conflict: the set changed again and again; it was not written.
        MaybeApplied: the last answer of several was lost.
        KubernetesError: the server cannot be asked or refused; it was not written.
    """
    for tries_left in reversed(range(_TRIES)):
        live = _this_set(client, namespace, name_of(before), uid)
        wanted = ownership_to_write(before, live, marked=marked)
        if is_same_ownership(entries_of(live), wanted):
            return
        try:
            _write(client, live, wanted)
        except (Conflict, MaybeApplied):
            if not tries_left:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _this_set(client: Client, namespace: str, name: str, uid: str) -> Raw:
    live = client.get(resources.STATEFULSETS, name, namespace)
    if uid_of(live) != uid:
        raise NeedsPerson(
            f"StatefulSet {name} (uid {uid_of(live)}) is not the one that this run created "
            f"(uid {uid}); its field owners were left alone"
        )
    return live


def _write(client: Client, live: Raw, wanted: Entries) -> None:
    # uid and resourceVersion are preconditions: the server refuses to change them.
    metadata = {
        "uid": uid_of(live),
        "resourceVersion": resource_version_of(live),
        "managedFields": wanted or RESET,
    }
    name, namespace = name_of(live), live["metadata"]["namespace"]
    patched = client.patch(resources.STATEFULSETS, name, {"metadata": metadata}, namespace)
    # A list with an entry that the server cannot read is ignored as a whole, without a word.
    if held_by_tool(entries_of(patched)) != held_by_tool(wanted):
        raise NeedsPerson(
            f"the server keeps this tool as the owner of fields of StatefulSet {name}",
            details=f"managedFields of resourceVersion {resource_version_of(patched)}",
        )
