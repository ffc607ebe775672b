"""Looks at one replica again before it leaves, with the eyes of preflight."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from csi_migration.decide import recheck
from csi_migration.engine.dry_runs import dry_runs_of
from csi_migration.engine.gather import attachments_of
from csi_migration.engine.gather_around import Around, driver_features
from csi_migration.engine.gather_disks import ids_by_path, with_disks
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.disk import DiskPath
from csi_migration.model.objects import Raw, by_name, uid_of
from csi_migration.model.plan import ReplicaPlan
from csi_migration.model.snapshot import Request, Snapshot

_FRESH_SECONDS = 5.0


class Recheck:
    """The checks that matter before each replica."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._fine_since: dict[str, float] = {}
        self._seen_around: Around | None = None

    def look_ahead(self, replica: ReplicaPlan) -> None:
        """Look while others still hold; if nothing objects, that is good for five seconds.

        What does object may be gone by then, and is looked at again.
        """
        if self._is_fine(replica):
            return
        begun, snapshot = time.monotonic(), self._snapshot(replica)
        if snapshot is not None and next(recheck.objections(snapshot), None) is None:
            self._fine_since[replica.pod] = begun

    def objections(self, replica: ReplicaPlan) -> Iterator[str]:
        """Why it must not leave now; nothing if a claim or its pod is not as it was.

        That is for the planner to judge, which knows this migration's own objects.
        """
        if self._is_fine(replica):
            return
        snapshot = self._snapshot(replica)
        if snapshot is not None:
            yield from recheck.objections(snapshot)

    def objections_to_going_back(self) -> Iterator[str]:
        """Why it must not leave its CSI volumes now."""
        snapshot = Snapshot(
            request=_request(self._run),
            server_version="",
            statefulset=self._run.plan.original,
            revisions={},
            pods={},
            claims={},
            volumes={},
            classes={},
            driver_features=driver_features(self._run.systems.client),
        )
        yield from recheck.objections(snapshot, only=recheck.GOING_BACK)

    def _is_fine(self, replica: ReplicaPlan) -> bool:
        since = self._fine_since.get(replica.pod, -_FRESH_SECONDS)
        return time.monotonic() - since < _FRESH_SECONDS

    def _around(self) -> Around:
        """What may be seen; a refusal is asked for again, for a server that has just begun
        knows no roles yet.
        """
        if self._seen_around is None or self._seen_around.is_partial:
            self._seen_around = Around(self._run.systems.client, self._run.plan.namespace)
        return self._seen_around

    def _snapshot(self, replica: ReplicaPlan) -> Snapshot | None:
        run, client = self._run, self._run.systems.client
        namespace = run.plan.namespace
        statefulset = client.find(resources.STATEFULSETS, run.plan.statefulset, namespace)
        pod = client.find(resources.PODS, replica.pod, namespace)
        claims = by_name(client.find(resources.CLAIMS, c.name, namespace) for c in replica.claims)
        if pod is None or not _as_backed_up(replica, claims):
            return None
        alone = recheck.of_one_replica(statefulset or run.plan.original, replica.ordinal)
        snapshot = self._surrounded(self._at_first(replica, alone, pod, claims))
        # Preflight tried samples of a large set, and policies change in the hours of a run.
        tried = dry_runs_of(client, replica)
        return with_disks(run.systems, replace(snapshot, dry_runs=tried), self._recorded(replica))

    def _recorded(self, replica: ReplicaPlan) -> dict[DiskPath, str]:
        """The driver's records of the disks that the plan knows as First Class Disks.

        They bear the FCD's id (vsphere-csi-driver: pkg/apis/migration/migration.go), so
        that not all of the cluster have to be listed.
        """
        client, ids = self._run.systems.client, [c.disk_id for c in replica.claims if c.disk_id]
        found = (client.find(resources.VOLUME_MIGRATIONS, each) for each in ids)
        return ids_by_path([record for record in found if record])

    def _at_first(
        self, replica: ReplicaPlan, statefulset: Raw, pod: Raw, claims: dict[str, Raw]
    ) -> Snapshot:
        client, request = self._run.systems.client, _request(self._run)
        names = {request.intree_class, request.csi_class}
        return Snapshot(
            request=request,
            server_version="",
            statefulset=statefulset,
            revisions={},
            pods={replica.ordinal: pod},
            claims=claims,
            volumes=by_name(client.find(resources.VOLUMES, c.old_volume) for c in replica.claims),
            classes=by_name(client.find(resources.STORAGE_CLASSES, each) for each in names if each),
        )

    def _surrounded(self, snapshot: Snapshot) -> Snapshot:
        client, namespace = self._run.systems.client, snapshot.request.namespace
        nodes = {pod["spec"].get("nodeName", "") for pod in snapshot.pods.values()} - {""}
        return replace(
            self._around().onto(snapshot),
            namespace_pods=tuple(client.list(resources.PODS, namespace)),
            nodes=by_name(client.find(resources.NODES, node) for node in nodes),
            csi_nodes=by_name(client.find(resources.CSI_NODES, node) for node in nodes),
            attachments=attachments_of(
                # All: one to another node is just what must not be missed.
                client.list(resources.VOLUME_ATTACHMENTS, at_once=True),
                snapshot.volumes,
            ),
        )


def _as_backed_up(replica: ReplicaPlan, claims: dict[str, Raw]) -> bool:
    return all(c.name in claims and uid_of(claims[c.name]) == c.uid for c in replica.claims)


def _request(run: Run) -> Request:
    plan, options = run.plan, run.options
    return Request(
        plan.namespace,
        plan.statefulset,
        options.intree_class,
        options.csi_class,
        options.window,
        accepted=options.accepted,
    )
