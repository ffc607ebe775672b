"""`python -m bench.preflight`: what `preflight` costs, of a small set and of a large one.

The small one lives: three replicas in an otherwise empty cluster. The large one stands in
a cluster full of pods and volumes, and is made of copies of a replica that lives; its
disks are in the lab's vCenter, each held by the VM of its replica's node.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from bench import datacenter
from bench.crowd import Crowd, Disk
from bench.measuring import Calls, lab, quieten, run
from lab import workload
from lab.client import Cluster
from lab.demo import tool, tool_options
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import USER_CLUSTER

_SMALL = Workload(namespace="small", name="web", replicas=3)


def main() -> int:
    """Print one JSON object for each set: seconds, memory, calls by method."""
    options = _parser().parse_args()
    claims = tuple(f"data{number or ''}" for number in range(options.claims))
    large = Workload(namespace="large", name="db", replicas=1, claims=claims)
    with lab() as (layout, known):
        client = Cluster(layout.kubeconfig("user", "admin"))
        workload.create(client, known.vcenter, _SMALL)
        workload.create(client, known.vcenter, large)
        _tell("small", _measured(layout, _SMALL))
        quieten(known)
        begun = time.monotonic()
        disks = _filled(layout, large, options)
        datacenter.furnish(layout, known, disks, large.mebibytes)
        print(f"filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        _tell("large", _measured(layout, large))
        if options.keep:
            input(f"the lab is in {layout.root}; Enter ends it ")
    return 0


def _filled(layout: Layout, large: Workload, options: argparse.Namespace) -> list[Disk]:
    # In a process of its own: a child's peak begins with its parent's (Linux: exec_mmap).
    with ProcessPoolExecutor(1) as apart:
        return apart.submit(_fill, layout, large, options.replicas, options.others).result()


def _fill(layout: Layout, large: Workload, replicas: int, others: int) -> list[Disk]:
    crowd = Crowd(Cluster(layout.kubeconfig("user", "admin")), large, replicas, others)
    crowd.gather()
    return crowd.disks


def _measured(layout: Layout, work: Workload) -> dict[str, object]:
    options = tool_options(layout.kubeconfig("admin", "tool"), work, cluster_name=USER_CLUSTER)
    calls = Calls(layout)
    cost = run([str(tool()), "preflight", *options, "-o", "json"])
    told = json.loads(cost.printed)
    by_method = {"kubernetes": calls.kubernetes(), "vcenter": calls.vcenter()}
    return {
        "exit_code": cost.exit_code,
        "blockers": sorted(_ids(told)),
        "seconds": cost.seconds,
        "processor_seconds": cost.processor_seconds,
        "peak_megabytes": cost.peak_megabytes,
        **{f"{api}_calls": sum(found.values()) for api, found in by_method.items()},
        **by_method,
    }


def _ids(told: dict[str, object]) -> set[str]:
    found = told.get("findings")
    rows = found if isinstance(found, list) else []
    return {str(row["id"]) for row in rows if row.get("severity") == "blocker"}


def _tell(name: str, figures: dict[str, object]) -> None:
    print(json.dumps({"set": name, **figures}), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.preflight", description=__doc__)
    parser.add_argument("--replicas", type=int, default=500, help="of the large set")
    parser.add_argument("--claims", type=int, default=2, help="of each replica")
    parser.add_argument("--others", type=int, default=4500, help="pods, with a volume each")
    parser.add_argument("--keep", action="store_true", help="wait before the lab is ended")
    return parser


if __name__ == "__main__":
    sys.exit(main())
