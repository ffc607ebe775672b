"""`python -m bench.preflight`: what `preflight` costs, of a small set and of two large ones.

The small one lives: three replicas in an otherwise empty cluster. The large ones stand in
a cluster full of pods and volumes, and are made of copies of a replica that lives; their
disks are in the lab's vCenter, each held by the VM of its replica's node. One has half as many
replicas as the other, so that one sees what each disk more costs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from bench import datacenter, evidence
from bench.columns import Rows, columns, verdicts
from bench.crowd import DISKS_PER_NODE, Crowd, Disk
from bench.figures import Goal, per_hundred
from bench.measuring import Calls, lab, quieten, run
from lab import workload
from lab.client import Cluster
from lab.demo import tool, tool_options
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import USER_CLUSTER

_SMALL = Workload(namespace="small", name="web", replicas=3)
GOALS = (
    Goal("seconds", 15, least=False, what="of the large set"),
    Goal("peak_megabytes", 200, least=False, what="of the large set"),
    Goal("vcenter_calls_per_hundred_disks", 1, least=False, what="more, from half to large"),
)

Figures = dict[str, Any]


def main() -> int:
    """Print the table and the verdicts; fails when one of the sets could not be migrated."""
    options = _parser().parse_args()
    found = _measure(options)
    printed = text(found)
    print(printed)
    if options.json:
        evidence.keep(options.json, {"sets": found, "values": values(found)}, printed)
    for complaint in (complaints := failures(found)):
        print(f"error: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _measure(options: argparse.Namespace) -> dict[str, Figures]:
    claims = tuple(f"data{number or ''}" for number in range(options.claims))
    half, large = (
        Workload(namespace=name, name="db", replicas=1, claims=claims) for name in ("half", "large")
    )
    with lab() as (layout, known):
        client = Cluster(layout.kubeconfig("user", "admin"))
        for work in (_SMALL, half, large):
            workload.create(client, known.vcenter, work)
        # The tool has the driver's account at vCenter: its calls must be the only ones.
        quieten(known)
        found = {"small": _measured(layout, _SMALL, _SMALL.replicas)}
        begun = time.monotonic()
        disks = _filled(layout, half, large, options)
        datacenter.furnish(layout, known, disks, large.mebibytes)
        print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        found["half"] = _measured(layout, half, options.replicas // 2)
        found["large"] = _measured(layout, large, options.replicas)
        if options.keep:
            input(f"the lab is in {layout.root}; Enter ends it ")
        return found


def _filled(
    layout: Layout, half: Workload, large: Workload, options: argparse.Namespace
) -> list[Disk]:
    # In a process of its own: a child's peak begins with its parent's (Linux: exec_mmap).
    with ProcessPoolExecutor(1) as apart:
        return apart.submit(_fill, layout, half, large, options.replicas, options.others).result()


def _fill(
    layout: Layout, half: Workload, large: Workload, replicas: int, others: int
) -> list[Disk]:
    client = Cluster(layout.kubeconfig("user", "admin"))
    first = Crowd(client, half, replicas // 2, 0)
    first.gather()
    nodes = -(-len(first.disks) // DISKS_PER_NODE)
    second = Crowd(client, large, replicas, others, first_node=nodes)
    second.gather()
    return [*first.disks, *second.disks]


def _measured(layout: Layout, work: Workload, replicas: int) -> Figures:
    options = tool_options(layout.kubeconfig("admin", "tool"), work, cluster_name=USER_CLUSTER)
    calls = Calls(layout)
    cost = run([str(tool()), "preflight", *options, "-o", "json"])
    told = json.loads(cost.printed or "{}")
    return {
        "replicas": replicas,
        "disks": replicas * len(work.claims),
        "exit_code": cost.exit_code,
        "blockers": sorted(_ids(told)),
        "seconds": cost.seconds,
        "processor_seconds": cost.processor_seconds,
        "peak_megabytes": cost.peak_megabytes,
        "kubernetes": calls.kubernetes(),
        "admin": calls.admin(),
        "vcenter": calls.vcenter(),
    }


def _ids(told: dict[str, object]) -> set[str]:
    found = told.get("findings")
    rows = found if isinstance(found, list) else []
    return {str(row["id"]) for row in rows if row.get("severity") == "blocker"}


def failures(found: dict[str, Figures]) -> list[str]:
    """Of what ends early the figures say nothing."""
    return [
        f"preflight of the {name} set ended with {one['exit_code']}, blockers: {one['blockers']}"
        for name, one in found.items()
        if one["exit_code"] or one["blockers"]
    ]


def values(found: dict[str, Figures]) -> dict[str, float | None]:
    """What the goals are about."""
    half, large = found["half"], found["large"]
    calls = {one["disks"]: sum(one["vcenter"].values()) for one in (half, large)}
    return {
        "seconds": large["seconds"],
        "peak_megabytes": large["peak_megabytes"],
        "vcenter_calls_per_hundred_disks": per_hundred(calls),
    }


def text(found: dict[str, Figures]) -> str:
    """A row a set, the verdicts, and vCenter's calls by their method."""
    rows: Rows = [
        (
            "PREFLIGHT OF",
            "DISKS",
            "SECONDS",
            "PROCESSOR",
            "PEAK MB",
            "KUBERNETES",
            "ADMIN",
            "VCENTER",
        )
    ]
    rows += [_row(one) for one in found.values()]
    methods = sorted({method for one in found.values() for method in one["vcenter"]})
    calls: Rows = [("CALLS TO VCENTER", *(_named(one) for one in found.values()))]
    calls += [
        (method, *(str(one["vcenter"].get(method, 0)) for one in found.values()))
        for method in methods
    ]
    return "\n\n".join([columns(rows), columns(calls), verdicts(GOALS, values(found))])


def _row(one: Figures) -> tuple[str, ...]:
    return (
        _named(one),
        str(one["disks"]),
        f"{one['seconds']:.1f}",
        f"{one['processor_seconds']:.1f}",
        str(one["peak_megabytes"]),
        *(str(sum(one[api].values())) for api in ("kubernetes", "admin", "vcenter")),
    )


def _named(one: Figures) -> str:
    return f"{one['replicas']} replicas"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.preflight", description=__doc__)
    parser.add_argument("--replicas", type=int, default=500, help="of the large set")
    parser.add_argument("--claims", type=int, default=2, help="of each replica")
    parser.add_argument("--others", type=int, default=4500, help="pods, with a volume each")
    parser.add_argument("--keep", action="store_true", help="wait before the lab is ended")
    evidence.add_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
