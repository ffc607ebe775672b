"""The Lease that keeps two runs off one StatefulSet, wherever they run.

It stands beside the set. Its holder says who, where and since when, so that a
person who is refused knows whom to ask. It is renewed while the run works, and
a run that finds it taken over stops before its next write.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import time
import uuid
from datetime import UTC, datetime, timedelta

from csi_migration.engine.process import is_dead, this_process
from csi_migration.kube import (
    AlreadyExists,
    Client,
    Conflict,
    KubernetesError,
    NotFound,
    ReadFailed,
    resources,
)
from csi_migration.model.errors import Locked, Stopped
from csi_migration.model.objects import Raw, annotations_of, uid_of

_DURATION_SECONDS = 60
_RENEW_SECONDS = 10.0
# Renewed longer ago than this, the Lease may be somebody else's any moment.
_TRUSTED_SECONDS = 45.0
# Clocks differ: a holder that is alive shows it within this time.
_WATCH_SECONDS = 15.0

_TAKE_TRIES = 4
_RELEASE_SECONDS = 15.0
_RELEASE_PAUSE_SECONDS = 1.0
_PROCESS = "csi-migration/process"

_RUN = uuid.uuid4().hex[:8]


class LeaseLost(Stopped):
    """Somebody else holds the Lease now; nothing more may be written."""


def holder() -> str:
    """Who runs this, in words for a person."""
    return f"{_user()}@{socket.gethostname()} pid {os.getpid()} run {_RUN}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # containers run under uids that nobody has named
        return f"uid {os.getuid()}"


def _seconds() -> float:
    """Seconds that also pass while the machine sleeps, unlike monotonic time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def lease_name(statefulset: str) -> str:
    """The Lease's name beside the set."""
    return f"csi-migration-{statefulset}"


class Lease:
    """A held Lease: `keep` renews it, `require` insists on it, `release` gives it back."""

    def __init__(self, client: Client, namespace: str, lease: Raw) -> None:
        self._client = client
        self._namespace = namespace
        self._lease = lease
        self._renewed = _seconds()
        self._lost = False

    @staticmethod
    def refuse_if_held(client: Client, namespace: str, statefulset: str) -> None:
        """See whether another run is at work, before anything else is looked at.

        Raises:
            Locked: one is.
        """
        found = client.find(resources.LEASES, lease_name(statefulset), namespace)
        if found is not None and is_at_work(found, datetime.now(UTC)):
            raise _locked(found)

    @classmethod
    def take(cls, client: Client, namespace: str, statefulset: str) -> Lease:
        """Create the Lease, or take over one whose holder is dead.

        Raises:
            Locked: another run holds it.
        """
        for _ in range(_TAKE_TRIES):
            with contextlib.suppress(Conflict):  # somebody wrote it: whoever that was, look again
                return cls._take(client, namespace, statefulset)
        raise _locked(client.get(resources.LEASES, lease_name(statefulset), namespace))

    @classmethod
    def _take(cls, client: Client, namespace: str, statefulset: str) -> Lease:
        name = lease_name(statefulset)
        found = client.find(resources.LEASES, name, namespace)
        if found is None:
            return cls._create(client, namespace, name)
        if _is_ours(found):  # the answer to its creation was lost
            return cls(client, namespace, found)
        if not _is_left(found):
            if not has_expired(found, datetime.now(UTC)):
                raise _locked(found)
            time.sleep(_WATCH_SECONDS)
        found["spec"] |= _claim_of_ours(found["spec"].get("leaseTransitions", 0) + 1)
        found["metadata"].setdefault("annotations", {})[_PROCESS] = this_process()
        return cls(client, namespace, client.replace(resources.LEASES, name, found, namespace))

    @classmethod
    def _create(cls, client: Client, namespace: str, name: str) -> Lease:
        body: Raw = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {_PROCESS: this_process()},
            },
            "spec": _claim_of_ours(0),
        }
        try:
            return cls(client, namespace, client.create(resources.LEASES, body, namespace))
        except AlreadyExists as error:
            found = client.get(resources.LEASES, name, namespace)
            if _is_ours(found):
                return cls(client, namespace, found)
            raise _locked(found) from error

    def keep(self) -> None:
        """Renew the Lease if it is due. While the API is away, ours stays ours.

        Raises:
            LeaseLost: somebody took it over or deleted it.
        """
        if _seconds() - self._renewed < _RENEW_SECONDS:
            return
        try:
            self._renew_or_recognise()
        except KubernetesError:
            return  # due at the next call again
        self._renewed = _seconds()

    def require(self) -> None:
        """Like `keep`, but before a write the Lease must surely be ours: it is looked at.

        Raises:
            LeaseLost: somebody took it over or deleted it.
            ReadFailed: it could not be renewed for too long; ask again.
            KubernetesError: it could not be looked at; ask again.
        """
        self.keep()
        if _seconds() - self._renewed > _TRUSTED_SECONDS:
            raise ReadFailed("the Lease could not be renewed for a while, so nothing is written")
        self._recognise()

    def _renew_or_recognise(self) -> None:
        try:
            self._renew()
        except (Conflict, NotFound) as error:
            self._lease = self._recognise(error)

    def _renew(self) -> None:
        self._lease["spec"]["renewTime"] = _now()
        self._lease = self._client.replace(
            resources.LEASES, self._lease["metadata"]["name"], self._lease, self._namespace
        )

    def _recognise(self, error: KubernetesError | None = None) -> Raw:
        """The Lease as it stands, if it is still ours.

        A renewal whose answer was lost looks like a conflict (`error`) the next time.
        """
        name = self._lease["metadata"]["name"]
        found = self._client.find(resources.LEASES, name, self._namespace)
        if found is None or not _is_ours(found):
            self._lost = True
            raise LeaseLost(
                _loss(name, found),
                details=error.details if error else "",
                resolution="See that no other run works on this StatefulSet.",
            ) from error
        return found

    def release(self) -> None:
        """Delete the Lease, if it is still the one that was taken; try for a while.

        Another run takes over by writing to it, which leaves its uid: only the
        resourceVersion tells.

        Raises:
            KubernetesError: it stands, and will expire.
        """
        deadline = _seconds() + _RELEASE_SECONDS
        while not self._lost:
            try:
                self._delete()
            except NotFound:
                return
            except Conflict:
                self._lost = not self._is_renewed()
            except KubernetesError:
                if _seconds() > deadline:
                    raise
                time.sleep(_RELEASE_PAUSE_SECONDS)
            else:
                return

    def _delete(self) -> None:
        metadata = self._lease["metadata"]
        self._client.delete(
            resources.LEASES,
            metadata["name"],
            self._namespace,
            uid=uid_of(self._lease),
            resource_version=metadata["resourceVersion"],
        )

    def _is_renewed(self) -> bool:
        """Whether it is ours in a newer version: a renewal whose answer was lost."""
        try:
            self._lease = self._recognise()
        except LeaseLost:
            return False
        return True


def _is_ours(lease: Raw) -> bool:
    return bool(lease["spec"].get("holderIdentity") == holder())


def is_at_work(lease: Raw, now: datetime) -> bool:
    """Whether its holder still works, as far as can be told from here."""
    return not (_is_left(lease) or has_expired(lease, now))


def _loss(name: str, found: Raw | None) -> str:
    if found is None:
        return f"Lease {name} was deleted, so nothing more is written"
    other = found["spec"].get("holderIdentity", "unknown")
    return f"Lease {name} was taken over by {other}, so nothing more is written"


def _is_left(lease: Raw) -> bool:
    """Whether its holder was a process of this machine that has ended."""
    return is_dead(annotations_of(lease).get(_PROCESS, ""))


def has_expired(lease: Raw, now: datetime) -> bool:
    """Whether the holder missed its own deadline."""
    spec = lease["spec"]
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return True
    renewed = datetime.fromisoformat(spec["renewTime"])
    return now > renewed + timedelta(seconds=spec.get("leaseDurationSeconds", _DURATION_SECONDS))


def _claim_of_ours(transitions: int) -> Raw:
    now = _now()
    return {
        "holderIdentity": holder(),
        "leaseDurationSeconds": _DURATION_SECONDS,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": transitions,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _locked(lease: Raw) -> Locked:
    spec = lease["spec"]
    return Locked(
        f"another run works on this StatefulSet: {spec.get('holderIdentity', 'unknown')}, "
        f"since {spec.get('acquireTime', 'unknown')}",
        state="Nothing was changed by this run.",
        resolution=f"Wait for it to end; a dead run's Lease {lease['metadata']['name']} "
        f"expires {spec.get('leaseDurationSeconds', _DURATION_SECONDS)} s after its last sign.",
    )
