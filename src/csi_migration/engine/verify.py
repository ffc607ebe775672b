"""Looks at everything once more before the run is called done."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.engine.companions import pods_by_name, settled_set
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.objects import Raw, claim_templates_of, is_ready, name_of
from csi_migration.model.plan import ClaimPlan

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
    yield from _set_problems(run, settled_set(run))
    pods = pods_by_name(run)
    claims = {
        name_of(claim): claim
        for claim in run.systems.client.list(resources.CLAIMS, run.plan.namespace)
    }
    for replica in run.plan.replicas:
        if replica.pod not in pods or not is_ready(pods[replica.pod]):
            yield f"{replica.pod} is not Ready"
        for planned in replica.claims:
            yield from _claim_problems(run, planned, claims.get(planned.name))


def _set_problems(run: Run, statefulset: Raw | None) -> Iterator[str]:
    if statefulset is None:
        yield "the StatefulSet is away"
        return
    wanted = claim_templates_of(run.plan.statefulset_manifest)
    for template, planned in zip(claim_templates_of(statefulset), wanted, strict=True):
        if template["spec"].get("storageClassName") != planned["spec"]["storageClassName"]:
            yield f"claim template {name_of(template)} is not on the CSI class"


def _claim_problems(run: Run, planned: ClaimPlan, claim: Raw | None) -> Iterator[str]:
    if claim is None or claim.get("status", {}).get("phase") != "Bound":
        yield f"claim {planned.name} is not Bound"
        return
    volume = run.systems.client.find(resources.VOLUMES, claim["spec"]["volumeName"])
    source = volume["spec"].get("csi") if volume else None
    if not source:
        yield f"claim {planned.name} is not on a CSI volume"
        return
    disk = run.systems.disks.retrieve(planned.file.datastore_id, source["volumeHandle"])
    if disk is None or disk.path != planned.file.path:
        yield f"the disk of claim {planned.name} is not {planned.file.path}"
