"""What a finished migration must not have left in the cluster: reads only."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.verify_volumes import fine, problem
from csi_migration.engine.backup_maps import STATEFULSET_UID, standing_maps
from csi_migration.engine.lease import lease_name
from csi_migration.engine.reading import Session
from csi_migration.kube import Forbidden
from csi_migration.model.evidence import Evidence, Verdict
from csi_migration.model.objects import Raw, annotations_of, name_of

_MARK = "csi-migration"


def remains(session: Session, evidence: Evidence) -> Iterator[Verdict]:
    """One verdict for each thing that is left, or one that nothing is.

    Raises:
        KubernetesError: the cluster could not be read.
    """
    left = [*_lease(session), *_annotations(evidence), *_config_maps(session)]
    yield from left
    if not left:
        subject = f"sts/{session.plan.statefulset}"
        yield fine("nothing-left", subject, "no Lease, annotation or ConfigMap of a run is left")


def _lease(session: Session) -> Iterator[Verdict]:
    if session.lease is not None:
        name, namespace = lease_name(session.plan.statefulset), session.plan.namespace
        yield _left(f"lease/{name}", f"kubectl -n {namespace} delete lease {name}")


def _annotations(evidence: Evidence) -> Iterator[Verdict]:
    for subject, item in _objects(evidence):
        for key in annotations_of(item):
            if key.startswith(f"{_MARK}/"):
                yield _left(f"{subject} {key}", f"Take the annotation {key} off.")


def _objects(evidence: Evidence) -> Iterator[tuple[str, Raw]]:
    if evidence.statefulset is not None:
        yield f"sts/{name_of(evidence.statefulset)}", evidence.statefulset
    yield from ((f"pod/{name}", pod) for name, pod in evidence.pods.items())
    for name, there in evidence.claims.items():
        yield from ((f"pvc/{name}", there.claim),) if there.claim else ()
        yield from ((f"pv/{name_of(there.volume)}", there.volume),) if there.volume else ()


def _config_maps(session: Session) -> Iterator[Verdict]:
    """Copies of the backup; without the right to list them a refusal is no problem."""
    client, namespace = session.systems.client, session.plan.namespace
    try:
        found = standing_maps(client, namespace, session.plan.statefulset)
    except Forbidden:
        return
    # Of this migration alone: another one's may be all that brings its set back.
    for item in found.values():
        subject = f"configmap/{name_of(item)}"
        if annotations_of(item).get(STATEFULSET_UID) == session.plan.uid:
            yield _left(subject, f"kubectl -n {namespace} delete configmap {name_of(item)}")
        else:
            message = "another migration of this set was begun and has not ended"
            way = "Take that one up, or back, in its own working directory."
            yield problem("nothing-left", subject, message, way)


def _left(subject: str, way: str) -> Verdict:
    return problem("nothing-left", subject, "left behind by a run that has ended", way)
