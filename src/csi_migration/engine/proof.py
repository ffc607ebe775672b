"""Proves a migration, or says what is not as it should be: reads only."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.verify_rules import (
    on_its_side,
    pod_as_before,
    pod_ready,
    set_as_before,
    set_in_place,
    templates_fit,
)
from csi_migration.decide.verify_volumes import (
    WAYS_ON,
    claim_and_disk,
    claim_as_planned,
    disk_held,
    disk_protected,
    fine,
    policy_as_planned,
    problem,
    volume_as_planned,
)
from csi_migration.engine.evidence import gather, with_attachments
from csi_migration.engine.reading import Session, last_run
from csi_migration.engine.remains import remains
from csi_migration.journal.errors import JournalUnreadable
from csi_migration.journal.record import Saved
from csi_migration.kube import resources
from csi_migration.model.evidence import Evidence, Verdict, Verification
from csi_migration.model.plan import ClaimPlan, ReplicaPlan
from csi_migration.model.status import RunState


def verification(session: Session) -> Verification:
    """Every rule's verdict; nothing is changed.

    Raises:
        ToolError: the cluster or vCenter could not be read.
    """
    plan, found = session.plan, session.found
    return Verification(
        namespace=plan.namespace,
        statefulset=plan.statefulset,
        cluster=session.systems.client.server,
        working_directory=str(found.path),
        command=found.last_command,
        is_finished=found.has_finished,
        verdicts=tuple(_verdicts(session)),
    )


def _verdicts(session: Session) -> Iterator[Verdict]:
    systems, plan = session.systems, session.plan
    there = systems.client.find(resources.STATEFULSETS, plan.statefulset, plan.namespace)
    evidence = with_attachments(systems, plan, gather(systems, plan, there))
    yield _last_run(session)
    yield set_in_place(plan, there)
    if there is not None:
        yield from set_as_before(plan, there)
    yield from templates_fit(plan, evidence)
    for replica in plan.replicas:
        yield from _of_replica(session, replica, evidence)
    if session.found.has_finished and not session.is_at_work:
        yield from remains(session, evidence)
    yield from _files(session)


def _last_run(session: Session) -> Verdict:
    run = last_run(session.found, is_at_work=session.is_at_work)
    subject = f"sts/{session.plan.statefulset}"
    if session.is_at_work and session.lease:
        message = f"a run is at work: {session.lease.holder}"
        return problem("run-finished", subject, message, "Verify again when it has ended.")
    if run.state is not RunState.FINISHED:
        message = f"the last run ({run.command}) did not reach its goal: {run.state}"
        return problem("run-finished", subject, message, WAYS_ON)
    return fine("run-finished", subject, f"the last run ({run.command}) reached its goal")


# One replica -----------------------------------------------------------------------


def _of_replica(session: Session, replica: ReplicaPlan, evidence: Evidence) -> Iterator[Verdict]:
    pod = evidence.pods.get(replica.pod)
    yield pod_ready(replica, pod)
    if pod is not None:
        yield from pod_as_before(session.plan, replica, pod, evidence.statefulset)
    node = pod["spec"].get("nodeName", "") if pod else ""
    for claim in replica.claims:
        yield from _of_claim(session, replica, claim, evidence)
        there = evidence.claims[claim.name]
        yield disk_held(claim, there, node, evidence.machines.get(node, ""))


def _of_claim(
    session: Session, replica: ReplicaPlan, claim: ClaimPlan, evidence: Evidence
) -> Iterator[Verdict]:
    there = evidence.claims[claim.name]
    wants_csi = _wants_csi(session, replica)
    if wants_csi is not None:
        yield on_its_side(claim, there, wants_csi=wants_csi)
    yield from claim_and_disk(claim, there)
    if there.claim is None or there.volume is None:
        return
    yield claim_as_planned(claim, there.claim)
    yield volume_as_planned(claim, there.volume)
    yield policy_as_planned(claim, there.volume, is_finished=session.found.has_finished)
    yield from disk_protected(claim, there)


def _wants_csi(session: Session, replica: ReplicaPlan) -> bool | None:
    """The side that the last run brought it to; None if it was not about this replica."""
    found = session.found
    if not found.has_finished:
        return None
    if found.last_command != "rollback":
        return True
    chosen = found.arguments.get("replica") or [replica.ordinal]
    return False if replica.ordinal in chosen else None


# The backup ------------------------------------------------------------------------


def _files(session: Session) -> Iterator[Verdict]:
    names = sorted({r.file for r in session.found.records if isinstance(r, Saved)})
    broken = [verdict for name in names for verdict in _file(session, name)]
    yield from broken
    if not broken:
        subject = f"directory/{session.found.path.name}"
        yield fine("backup-files", subject, f"all {len(names)} backup files are as they were saved")


def _file(session: Session, name: str) -> Iterator[Verdict]:
    try:
        session.found.load(name)
    except JournalUnreadable as error:
        way = error.resolution or "Bring it back from a copy of the working directory."
        yield problem("backup-files", f"file/{name}", error.message, way)
