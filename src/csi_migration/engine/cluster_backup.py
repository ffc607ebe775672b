"""A second backup beside the set, so that a lost laptop is not a lost backup.

Number 0 is written last and deleted first: where it stands, a migration has begun
and has not ended. Chunks without it are what a crash left before anything was
changed, or after everything was done; they are nobody's backup and stop nobody.

So a run that ends before its first change must `remove` it, like one that is done.

No write is repeated blindly: a caller may begin each function again after any
error, since all of them look first. Why it is as it is:
`docs/decisions/0008-a-second-backup-in-configmaps.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from csi_migration.engine.backup_maps import (
    SHA256,
    STATEFULSET_UID,
    VERSION,
    chunk_of,
    is_as_made,
    map_of,
    standing_maps,
)
from csi_migration.journal.archive import Content, join, pack, split, unpack
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import Identity
from csi_migration.kube import (
    AlreadyExists,
    Client,
    Conflict,
    MaybeApplied,
    NotFound,
    resources,
)
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import Raw, annotations_of, is_terminating, name_of, uid_of

Guard = Callable[[], None]
"""Called right before every write; raises when nothing may be written any more."""

Announced = Callable[[Raw], AbstractContextManager[object]]
"""Entered around the one request that creates a ConfigMap; its answer may be lost."""

Maps = dict[int, Raw]
"""The ConfigMaps that stand, by their chunk's number."""

_NOT_WHOLE = (
    "Without number 0 it was never finished, and then nothing was changed yet; or it was being "
    "removed, and then its migration had ended; or somebody deleted number 0."
)


class UnfinishedMigration(NeedsPerson):
    """The backup of another migration of this set stands: that one has not ended."""


class BackupDamaged(NeedsPerson):
    """The second backup belongs to a migration that has not ended, and cannot be read."""


class NameTaken(NeedsPerson):
    """Another ConfigMap stands where a part of the second backup goes."""


class BackupNotWhole(NeedsPerson):
    """Only parts of a second backup are there, of which nothing can be taken up."""


def refuse_if_there(client: Client, namespace: str, statefulset: str) -> None:
    """See whether a migration of this set has not ended, before a new one begins.

    Raises:
        UnfinishedMigration: its second backup stands, whole or damaged.
        KubernetesError: the cluster could not be asked.
    """
    standing = standing_maps(client, namespace, statefulset)
    if 0 in standing:
        raise _unfinished(namespace, statefulset, standing)


def save(client: Client, content: Content, guard: Guard, announced: Announced) -> None:
    """Put the second backup into the cluster.

    To be called before anything else is changed, and again by a run that takes the
    migration up: what stands already is left, unless more was saved since, such as the
    set of today; then it is made anew, if the server would take the new one. What a crash
    left without number 0 is deleted first.

    Raises:
        UnfinishedMigration: another migration of this set has not ended.
        BackupDamaged: this one's own cannot be read any more.
        NameTaken: a ConfigMap of that name is not the tool's, or was changed.
        KubernetesError: a request failed; begin again.
    """
    identity = content.identity
    chunks = split(pack(content))
    wanted = [map_of(identity, chunk) for chunk in chunks]
    standing = standing_maps(client, identity.namespace, identity.statefulset)
    if 0 in standing and _digest(standing) != chunks[0].sha256:
        known = _require_own(standing, content)
        if known.files == content.files:
            return
        _require_welcome(client, identity.namespace, wanted)
        _delete_all(client, identity.namespace, standing, guard)
        standing = {}
    kept = {n for n, body in enumerate(wanted) if n in standing and is_as_made(standing[n], body)}
    if 0 not in standing:
        left = {number: standing[number] for number in standing.keys() - kept}
        _delete_all(client, identity.namespace, left, guard)
    for number in sorted(set(range(len(wanted))) - kept, reverse=True):
        _create(client, identity.namespace, wanted[number], guard, announced)


def load(client: Client, namespace: str, statefulset: str) -> Content | None:
    """The set's second backup, None when there is none.

    It says what it was a backup of: whether this is still that cluster (`cluster_uid`)
    is for the caller to see. It is as trustworthy as everybody who may write
    ConfigMaps in the namespace.

    Raises:
        BackupNotWhole: only parts stand, and no migration can be taken up from them.
        BackupDamaged: it cannot be read, though its migration has not ended.
        KubernetesError: the cluster could not be asked.
    """
    standing = standing_maps(client, namespace, statefulset)
    if not standing:
        return None
    if 0 not in standing:
        raise _not_whole(namespace, statefulset, standing)
    try:
        content = _content(standing)
        _require_identity(content.identity, namespace, statefulset, standing[0])
    except JournalUnreadable as error:
        raise _damaged(namespace, statefulset, error) from error
    return content


def remove(client: Client, identity: Identity, guard: Guard) -> None:
    """Delete the second backup of this migration, which has ended; gone already is fine.

    Raises:
        KubernetesError: a request failed; begin again, or leave it to the next
            `save`, since without number 0 the rest is nobody's backup.
    """
    standing = standing_maps(client, identity.namespace, identity.statefulset)
    own = {
        number: item
        for number, item in standing.items()
        if annotations_of(item).get(STATEFULSET_UID) == identity.statefulset_uid
    }
    _delete_all(client, identity.namespace, own, guard)


def _require_welcome(client: Client, namespace: str, wanted: list[Raw]) -> None:
    """See that the server would take them: no backup goes for one that can't come.

    That a name is taken is found last, after roles, policies and quotas were asked.
    """
    for body in wanted:
        with suppress(AlreadyExists):
            client.create(resources.CONFIG_MAPS, body, namespace, dry_run=True)


def _create(client: Client, namespace: str, body: Raw, guard: Guard, announced: Announced) -> None:
    guard()
    try:
        with announced(body):
            made = client.create(resources.CONFIG_MAPS, body, namespace)
    except (AlreadyExists, MaybeApplied):
        found = client.find(resources.CONFIG_MAPS, name_of(body), namespace)
        if found is None:
            raise
        made = found
    if not is_as_made(made, body):
        raise _somebody_elses(namespace, name_of(body))


def _delete_all(client: Client, namespace: str, standing: Maps, guard: Guard) -> None:
    for number in sorted(standing):
        _delete(client, namespace, standing[number], guard)


def _delete(client: Client, namespace: str, item: Raw, guard: Guard) -> None:
    guard()
    try:
        client.delete(resources.CONFIG_MAPS, name_of(item), namespace, uid=uid_of(item))
    except NotFound:
        return
    except (Conflict, MaybeApplied):
        # A 409 tells of another uid, which is what was wanted, or of a server in trouble.
        found = client.find(resources.CONFIG_MAPS, name_of(item), namespace)
        if found is not None and uid_of(found) == uid_of(item) and not is_terminating(found):
            raise


def _digest(standing: Maps) -> str:
    return annotations_of(standing[0]).get(SHA256, "")


def _content(standing: Maps) -> Content:
    """What number 0 and all that belong to it hold; strangers among them are passed over."""
    chunks = [
        chunk_of(item)
        for item in standing.values()
        if annotations_of(item).get(SHA256) == _digest(standing)
    ]
    return unpack(join(chunks))


def _require_own(standing: Maps, content: Content) -> Content:
    """What the whole backup that stands holds: this migration's, packed otherwise.

    Another liblzma makes other bytes, and a run may have saved more files since.
    """
    identity = content.identity
    is_own = annotations_of(standing[0]).get(STATEFULSET_UID) == identity.statefulset_uid
    try:
        known = _content(standing)
    except JournalUnreadable as error:
        if is_own:
            raise _damaged(identity.namespace, identity.statefulset, error) from error
        raise _unfinished(identity.namespace, identity.statefulset, standing) from error
    if known.identity != identity or not known.files.items() <= content.files.items():
        raise _unfinished(identity.namespace, identity.statefulset, standing)
    return known


def _require_identity(identity: Identity, namespace: str, statefulset: str, first: Raw) -> None:
    named = (namespace, statefulset, annotations_of(first).get(STATEFULSET_UID))
    if (identity.namespace, identity.statefulset, identity.statefulset_uid) != named:
        raise JournalUnreadable(
            f"It is the backup of StatefulSet {identity.namespace}/{identity.statefulset} "
            f"(uid {identity.statefulset_uid}), not of this one."
        )


def _by_hand(namespace: str, standing: Maps) -> str:
    names = " ".join(name_of(standing[number]) for number in sorted(standing))
    return f"kubectl -n {namespace} delete configmap {names}"


def _unfinished(namespace: str, statefulset: str, standing: Maps) -> UnfinishedMigration:
    marks = annotations_of(standing[0])
    return UnfinishedMigration(
        f"A migration of StatefulSet {namespace}/{statefulset} has not ended: its backup stands "
        f"in ConfigMap {name_of(standing[0])}, made on {_created(standing[0])} by version "
        f"{marks.get(VERSION, 'unknown')} for the set with uid "
        f"{marks.get(STATEFULSET_UID, 'unknown')}.",
        state="Nothing was changed by this run.",
        resolution="End that one: `rolling-migration resume` goes on with it, `rolling-migration "
        "rollback` takes it back. Only if you know that it changed nothing, or is over, delete "
        f"its backup: `{_by_hand(namespace, standing)}`.",
    )


def _created(item: Raw) -> str:
    return str(item["metadata"].get("creationTimestamp", "an unknown day"))


def _not_whole(namespace: str, statefulset: str, standing: Maps) -> BackupNotWhole:
    there = ", ".join(map(str, sorted(standing)))
    return BackupNotWhole(
        f"Of the second backup of StatefulSet {namespace}/{statefulset}, number 0 is missing; "
        f"there is only {there}.",
        state=f"{_NOT_WHOLE} Nothing was changed by this run.",
        resolution="If you have the working directory of that migration, go on with it. If the "
        "set stands and its pods are Ready, begin with `rolling-migration all`, which deletes "
        f"these remains; by hand: `{_by_hand(namespace, standing)}`.",
    )


def _damaged(namespace: str, statefulset: str, error: JournalUnreadable) -> BackupDamaged:
    return BackupDamaged(
        f"The second backup of StatefulSet {namespace}/{statefulset} cannot be used: "
        f"{error.message}",
        details=error.details,
        state="Its migration has not ended, so replicas may stand on either side. "
        "Nothing was changed by this run.",
        resolution=error.resolution
        or "Use the working directory that the migration was begun with. Without it, the "
        "in-tree and the CSI volumes that still stand name every disk: keep them, and delete "
        "nothing.",
    )


def _somebody_elses(namespace: str, name: str) -> NameTaken:
    return NameTaken(
        f"ConfigMap {namespace}/{name} stands where the second backup goes, and is not it.",
        state="Nothing was changed by this run but parts of its backup.",
        resolution="See whose it is. When nobody needs it, delete it "
        f"(`kubectl -n {namespace} delete configmap {name}`) and try again.",
    )
