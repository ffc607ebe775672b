"""Looks at everything once more before the run is called done."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.decide.verify_rules import on_its_side, pod_ready, set_in_place, templates_fit
from csi_migration.decide.verify_volumes import claim_and_disk
from csi_migration.engine.companions import settled_set
from csi_migration.engine.evidence import gather
from csi_migration.engine.run import Run
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.evidence import Evidence, Verdict
from csi_migration.model.plan import ReplicaPlan

# A readiness probe may blink; what is wrong for longer is wrong.
_SETTLING_SECONDS = 60.0
_MARGIN_SECONDS = 60.0


def verify(run: Run) -> None:
    """See that the set and every replica are what the plan wanted.

    Raises:
        NeedsPerson: something is not, and all of it.
    """
    run.tell(StepStarted("", "verify", "look at everything again"))
    wait = run.waiter("", "verify", _SETTLING_SECONDS + _MARGIN_SECONDS)
    while problems := run.patiently("", lambda: list(_problems(run))):
        if wait.seconds > _SETTLING_SECONDS:
            raise NeedsPerson(
                "the migration ran to its end, but not all is as it should be",
                details="; ".join(problems),
            )
        wait.pause(problems[0])
    run.tell(StepDone("", "verify", "", wait.seconds))


def _problems(run: Run) -> Iterator[str]:
    """What the run would have to answer for; `rolling-migration verify` asks for more."""
    evidence = gather(run.systems, run.plan, settled_set(run))
    return (verdict.message for verdict in _verdicts(run, evidence) if not verdict.is_ok)


def _verdicts(run: Run, evidence: Evidence) -> Iterator[Verdict]:
    yield set_in_place(run.plan, evidence.statefulset)
    for replica in run.plan.replicas:
        yield pod_ready(replica, evidence.pods.get(replica.pod))
        yield from _of_claims(run, replica, evidence)
    yield from templates_fit(run.plan, evidence)


def _of_claims(run: Run, replica: ReplicaPlan, evidence: Evidence) -> Iterator[Verdict]:
    for claim in replica.claims:
        there = evidence.claims[claim.name]
        if replica in run.replicas:
            yield on_its_side(claim, there, wants_csi=not run.goes_back)
        yield from claim_and_disk(claim, there)
