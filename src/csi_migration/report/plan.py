"""The plan of a migration, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import yaml

from csi_migration.model.objects import Raw
from csi_migration.model.outline import Difference, Estimate, Outline, PlannedDisk, PlannedStep
from csi_migration.model.snapshot import Request
from csi_migration.model.step import TITLES
from csi_migration.report.inventory import size
from csi_migration.report.jsonlines import SCHEMA_VERSION, camel
from csi_migration.report.result import table
from csi_migration.report.style import Paint, duration
from csi_migration.report.wrapping import WIDTH, labelled

_PLAIN = Paint()
_COLUMN = 14
_DISKS = ("CLAIM", "SIZE", "FCD", "VMDK")
_NO_DISK_YET = "to-register"


def plan_text(plan: Outline, *, width: int = WIDTH, paint: Paint = _PLAIN) -> str:
    """Heading, steps (replicas that are alike once), disks, differences, estimate."""
    parts = (
        "".join(_heading(plan, width)),
        paint.strong("Steps\n") + "".join(_steps(plan, width)),
        paint.strong("Disks\n") + table(_DISKS, [_disk(disk) for disk in plan.disks]),
        *_differences(plan.differences, width, paint),
        _estimate(plan, width),
    )
    return "\n".join(parts)


def plan_json(plan: Outline) -> str:
    """All of it as one JSON object."""
    return json.dumps(_content(plan), ensure_ascii=False) + "\n"


def nothing_to_plan(cluster: str, request: Request) -> str:
    """The JSON of a plan without a step: all is on CSI already."""
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "plan",
        "namespace": request.namespace,
        "statefulset": request.statefulset,
        "cluster": cluster,
        "window": request.window.value,
        "steps": [],
    }
    return json.dumps(content) + "\n"


def plan_yaml(plan: Outline) -> str:
    """The same as YAML."""
    return as_yaml(_content(plan))


def as_yaml(item: Raw) -> str:
    """An object as people write it: in the order of its fields, no aliases."""
    return yaml.dump(item, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _content(plan: Outline) -> dict[str, Any]:
    steps = [asdict(step) | {"action": step.action.value} for step in plan.steps]
    found = asdict(plan) | {"steps": steps}
    # Through JSON, so that YAML knows every value, too.
    content: dict[str, Any] = json.loads(json.dumps(camel(found)))
    return {"schemaVersion": SCHEMA_VERSION, "type": "plan", **content}


def _heading(plan: Outline, width: int) -> Iterator[str]:
    lines = (
        ("StatefulSet", f"{plan.namespace}/{plan.statefulset}, {len(plan.replicas)} replicas"),
        ("Cluster", plan.cluster),
        ("Window", _window(plan)),
        ("Done already", _done(plan)),
    )
    for label, text in lines:
        if text:
            yield labelled(f"{label}:", text, width=width, column=_COLUMN)


def _window(plan: Outline) -> str:
    if plan.window == "run":
        return "run: the StatefulSet is away from the first replica to the last"
    if plan.max_unavailable > 1:
        count = plan.max_unavailable
        return f"replica: the StatefulSet is away while {count} replicas at once are swapped"
    return "replica: the StatefulSet is away while a replica is swapped"


def _done(plan: Outline) -> str:
    disks = sum(bool(disk.disk_id) for disk in plan.disks)
    return f"{disks} of {len(plan.disks)} disks are First Class Disks" + (
        f", {len(plan.retained)} volumes are Retain" if plan.retained else ""
    )


# Steps -------------------------------------------------------------------------------


def _steps(plan: Outline, width: int) -> Iterator[str]:
    count = len(plan.to_retain)
    before = f"make {count} volumes Retain" if count else "see that every volume is Retain"
    yield labelled("  all: ", f"back up everything, twice; {before}", width=width)
    by_replica = {name: list(steps) for name, steps in groupby(plan.steps, lambda s: s.replica)}
    shown: dict[tuple[str, ...], list[str]] = {}
    for replica in plan.replicas:
        alike = tuple(_words(step, replica) for step in by_replica[replica])
        shown.setdefault(alike, []).append(replica)
    for words, replicas in shown.items():
        yield f"  {', '.join(replicas)}:\n"
        yield from (labelled(f"{n:>5}. ", text, width=width) for n, text in enumerate(words, 1))
        yield labelled("       ", "then it is held, Ready, before the next replica", width=width)
    after = by_replica.get("", [])
    yield from (labelled("  all: ", TITLES[step.action], width=width) for step in after)
    ending = "verify every replica; give the volumes their reclaim policies"
    yield labelled("  all: ", ending, width=width)


def _words(step: PlannedStep, replica: str) -> str:
    """The same for replicas that differ in nothing but their ordinal."""
    template = step.claim.removesuffix(f"-{replica}")
    return TITLES[step.action] + (f" ({template})" if template else "")


def _disk(disk: PlannedDisk) -> tuple[str, ...]:
    return (
        disk.claim,
        size(disk.size_bytes).replace(" ", ""),
        disk.disk_id or _NO_DISK_YET,
        disk.path.replace("] ", "]"),
    )


def _differences(found: Iterable[Difference], width: int, paint: Paint) -> Iterator[str]:
    """Those of replicas that are alike once, under their names."""
    for replicas, each in groupby(found, lambda one: one.replicas):
        if len(replicas) > 1:
            told = f"{replicas[0]}, and the same but for names: "
            yield labelled("Replica ", told + ", ".join(replicas[1:]), width=width)
        yield from (_difference(one, paint) for one in each)


def _difference(found: Difference, paint: Paint) -> str:
    colours = {"+": paint.good, "-": paint.bad}
    unlike = f", to come, unlike that of {found.unlike}" if found.unlike else ""
    lines = [
        colours[line[0]](line) if line[:1] in colours else line
        for line in found.lines or ("  no difference",)
    ]
    return paint.strong(found.subject + unlike) + "\n" + "".join(f"  {line}\n" for line in lines)


# The estimate ------------------------------------------------------------------------


def _estimate(plan: Outline, width: int) -> str:
    found = plan.estimate
    away = _range(found.away_least, found.away_most)
    whole = _range(found.whole_least, found.whole_most)
    told = f"each replica is away for {away}, all of it takes {whole}. {_made_of(found)}"
    return labelled("Estimate: ", told, width=width)


def _made_of(found: Estimate) -> str:
    starts: Sequence[float] = found.starts
    started = f"started in {_range(starts[0], starts[-1])}" if starts else "say nothing of it"
    return (
        f"Made of what the pods say: they {started}{_in_part(found)}, may take "
        f"{duration(found.grace)} to stop, and are held for {duration(found.hold)}. Detaching, "
        "attaching and the driver's registration come on top."
    )


def _in_part(found: Estimate) -> str:
    """What nobody can tell of pods that were not Ready in between."""
    if not found.starts_in_part:
        return ""
    count = found.starts_in_part
    who = "all of them" if count == len(found.starts) else f"{count} of them"
    return f" ({who} until the containers ran: when first Ready, nothing tells any more)"


def _range(least: float, most: float) -> str:
    one, other = duration(least), duration(most)
    return one if one == other else f"{one} to {other}"
