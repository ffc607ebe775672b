"""Looks at everything once more before the run is called done."""

from __future__ import annotations

from collections.abc import Iterator

from csi_migration.engine.companions import pods_by_name, settled_set
from csi_migration.engine.run import Run
from csi_migration.kube import resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.objects import Raw, claim_templates_of, class_of, is_ready, name_of
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
    statefulset = settled_set(run)
    if statefulset is None:
        yield "the StatefulSet is away"
    pods = pods_by_name(run)
    claims = {
        name_of(claim): claim
        for claim in run.systems.client.list(resources.CLAIMS, run.plan.namespace)
    }
    sides = set()
    for replica in run.plan.replicas:
        if replica.pod not in pods or not is_ready(pods[replica.pod]):
            yield f"{replica.pod} is not Ready"
        is_chosen = replica in run.replicas
        for planned in replica.claims:
            claim = claims.get(planned.name)
            is_csi = _is_csi(planned, claim)
            sides.add(is_csi)
            if is_chosen and is_csi is run.goes_back:
                yield f"claim {planned.name} is not on {_side(is_csi=not is_csi)}"
            yield from _claim_problems(run, planned, claim)
    if statefulset is not None:
        yield from _template_problems(run, statefulset, is_csi=True in sides)


def _is_csi(planned: ClaimPlan, claim: Raw | None) -> bool:
    return claim is not None and claim["spec"].get("volumeName") == planned.new_volume


def _side(*, is_csi: bool) -> str:
    return "a CSI volume" if is_csi else "its in-tree volume"


def _template_problems(run: Run, statefulset: Raw, *, is_csi: bool) -> Iterator[str]:
    planned = run.plan.statefulset_manifest if is_csi else run.plan.original
    wanted = claim_templates_of(planned)
    for template, other in zip(claim_templates_of(statefulset), wanted, strict=True):
        if class_of(template) != class_of(other):
            yield f"claim template {name_of(template)} is not on class {class_of(other)}"


def _claim_problems(run: Run, planned: ClaimPlan, claim: Raw | None) -> Iterator[str]:
    if claim is None or claim.get("status", {}).get("phase") != "Bound":
        yield f"claim {planned.name} is not Bound"
        return
    volume = run.systems.client.find(resources.VOLUMES, claim["spec"]["volumeName"])
    if volume is None:
        yield f"the volume of claim {planned.name} is not there"
    elif source := volume["spec"].get("csi"):
        disk = run.systems.disks.retrieve(planned.file.datastore_id, source["volumeHandle"])
        if disk is None or disk.path != planned.file.path:
            yield f"the disk of claim {planned.name} is not {planned.file.path}"
    elif (volume["spec"].get("vsphereVolume") or {}).get("volumePath") != planned.volume_path:
        yield f"the disk of claim {planned.name} is not {planned.volume_path}"
