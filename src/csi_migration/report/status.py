"""Where a migration stands, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from csi_migration.model.status import (
    ClaimStatus,
    Disagreement,
    LastRun,
    LeaseStatus,
    NextStep,
    PodState,
    ReplicaStatus,
    RunState,
    SetState,
    Status,
    StepKind,
)
from csi_migration.report.jsonlines import SCHEMA_VERSION, camel
from csi_migration.report.result import table
from csi_migration.report.style import duration
from csi_migration.report.wrapping import WIDTH, labelled

_COLUMN = 14
_TITLES = ("REPLICA", "POD", "CLAIM", "SIDE", "IN-TREE-VOLUME", "CSI-VOLUME", "FCD")
_SETS = {
    SetState.IN_PLACE: "in place",
    SetState.AWAY: "away; its pods run without a controller",
    SetState.LEAVING: "being taken away",
    SetState.FOREIGN: "in place, but neither the backup nor this migration explains it",
}
_PODS = {
    PodState.READY: "Ready",
    PodState.NOT_READY: "NotReady",
    PodState.LEAVING: "Leaving",
    PodState.AWAY: "Away",
    PodState.FOREIGN: "Foreign",
}
_BEFORE = {
    StepKind.WAIT: "wait: ",
    StepKind.REFUSE: "none, it needs a person: ",
    StepKind.RETREAT: "give it its pod and its set back first: ",
}


def status_text(status: Status, *, width: int = WIDTH) -> str:
    """The run, the set, a table of claims, the next steps, what disagrees, what to type."""
    parts = (
        "".join(_heading(status, width)),
        table(_TITLES, [_row(r, claim) for r in status.replicas for claim in r.claims]),
        "".join(_steps(replica, width) for replica in status.replicas),
        _disagreements(status.disagreements, width),
        _ways_on(status),
    )
    return "\n".join(filter(None, parts))


def status_json(status: Status) -> str:
    """All of it as one JSON object; docs/status.md says what its members mean."""
    content = {"schemaVersion": SCHEMA_VERSION, "type": "status", **camel(asdict(status))}
    return json.dumps(content, ensure_ascii=False) + "\n"


def _heading(status: Status, width: int) -> Iterator[str]:
    lines = (
        ("StatefulSet", f"{status.namespace}/{status.statefulset}, {_SETS[status.set_state]}"),
        ("Cluster", status.cluster),
        ("Directory", status.working_directory),
        ("Last run", _run(status.last_run, status.window)),
        ("", status.last_run.told),
        ("Lease", _lease(status.lease) if status.lease else ""),
    )
    for label, text in lines:
        if text:
            yield labelled(f"{label}:" if label else "", text, width=width, column=_COLUMN)


def _run(run: LastRun, window: str) -> str:
    began = f"{run.command} (window {window}), begun {run.started}"
    match run.state:
        case RunState.AT_WORK:
            return f"{began}, at work now"
        case RunState.FINISHED:
            return f"{began}, finished {run.ended}"
        case RunState.STOPPED:
            return f"{began}, stopped {run.ended} with exit code {run.exit_code}"
        case RunState.KILLED:
            return f"{began}, killed: it recorded no end and is at work no more"


def _lease(lease: LeaseStatus) -> str:
    health = "alive" if lease.is_alive else "dead, and the next run takes it over"
    return f"{lease.holder}, since {lease.since}, renewed {duration(lease.seconds)} ago: {health}"


def _row(replica: ReplicaStatus, claim: ClaimStatus) -> tuple[str, ...]:
    side = claim.side.split()[0]  # nothing in the table has spaces
    volumes = (claim.in_tree_volume, claim.csi_volume)
    return (replica.pod, _PODS[replica.pod_state], claim.name, side, *volumes, claim.disk_id)


def _steps(replica: ReplicaStatus, width: int) -> str:
    name, indent = replica.pod, " " * len(replica.pod)
    return labelled(f"{name}  forwards: ", _step(replica.forwards), width=width) + labelled(
        f"{indent}  back:     ", _step(replica.back), width=width
    )


def _step(step: NextStep) -> str:
    claim = f" ({step.claim})" if step.kind is StepKind.ACT and step.claim else ""
    return f"{_BEFORE.get(step.kind, '')}{step.text}{claim}"


def _disagreements(found: tuple[Disagreement, ...], width: int) -> str:
    if not found:
        return "Journal and cluster agree.\n"
    return f"Journal and cluster disagree ({len(found)}):\n" + "".join(
        _disagreement(each, width) for each in found
    )


def _disagreement(found: Disagreement, width: int) -> str:
    told = labelled("  ", f"{found.subject}: {found.message} [{found.id}]", width=width)
    return told + (
        labelled("    To do: ", found.resolution, width=width) if found.resolution else ""
    )


def _ways_on(status: Status) -> str:
    """On lines of their own and never broken: they are there to be copied."""
    if not status.resume:
        return ""
    return f"Go on with:    {status.resume}\nGo back with:  {status.rollback}\n"
