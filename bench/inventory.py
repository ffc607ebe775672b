"""`python -m bench.inventory`: fills a lab's API server and measures `inventory` on it.

The objects are real objects of a real API server; no pod runs and no disk is there, for
`inventory` looks at neither.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench import evidence
from bench.columns import Rows, columns, verdicts
from bench.figures import Goal
from bench.measuring import Calls, lab, quieten, run
from lab import manifests
from lab.client import Cluster, Object
from lab.demo import tool
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import USER_CLUSTER

_WRITERS = 12
GOALS = (
    Goal("seconds", 10, least=False, what="of the run"),
    Goal("peak_megabytes", 200, least=False, what="of the process alone"),
)


def main() -> int:
    """Print what was there, seconds, peak memory, API calls."""
    options = _parser().parse_args()
    with lab() as (layout, known):
        quieten(known)
        found = _measured(layout, options)
    printed = text(found)
    print(printed)
    if options.json:
        evidence.keep(options.json, found, printed)
    return 0


def text(found: dict[str, Any]) -> str:
    """The figures, the verdicts, and every kind of call."""
    heads = ("sets", "volumes", "seconds", "processor_seconds", "peak_megabytes")
    rows: Rows = [tuple(head.replace("_", " ").upper() for head in heads)]
    rows.append(tuple(str(found[head]) for head in heads))
    calls: Rows = [("CALLS", "")]
    calls += [
        (f"{api}: {words}", str(count))
        for api in ("admin", "user")
        for words, count in found["calls"][api].items()
    ]
    return "\n\n".join([columns(rows), columns(calls), verdicts(GOALS, found)])


def _measured(layout: Layout, options: argparse.Namespace) -> dict[str, Any]:
    filling = time.monotonic()
    # In a process of its own: a child's peak begins with its parent's (Linux: exec_mmap).
    with ProcessPoolExecutor(1) as apart:
        kubeconfig = layout.kubeconfig("user", "admin")
        apart.submit(_fill, kubeconfig, options.sets, options.volumes).result()
    filled = time.monotonic()
    calls = Calls(layout)
    command = [str(tool()), "inventory", "--kubeconfig", str(layout.kubeconfig("admin", "tool"))]
    cost = run([*command, "--cluster-name", USER_CLUSTER, "-o", "json"])
    if cost.exit_code:
        raise subprocess.CalledProcessError(cost.exit_code, command)
    found = json.loads(cost.printed)
    return {
        "sets": len(found["sets"]),
        "volumes": sum(row["inTree"] for row in found["sets"]) + len(found["looseVolumes"]),
        "seconds_to_fill": round(filled - filling, 1),
        "seconds": cost.seconds,
        "processor_seconds": cost.processor_seconds,
        "peak_megabytes": cost.peak_megabytes,
        "calls": {"admin": calls.admin(), "user": calls.kubernetes()},
    }


def _fill(kubeconfig: Path, sets: int, volumes: int) -> None:
    """Sets of equal size, a namespace for every ten."""
    client = Cluster(kubeconfig)
    replicas = -(-volumes // sets)
    workloads = [
        Workload(namespace=f"team-{n // 10}", name=f"db-{n}", replicas=replicas)
        for n in range(sets)
    ]
    spaces = sorted({work.namespace for work in workloads})
    with ThreadPoolExecutor(_WRITERS) as pool:
        list(pool.map(client.create, map(_namespace, spaces)))
        list(pool.map(client.create, map(_account, spaces)))
        list(pool.map(client.create, _objects(workloads)))


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _account(namespace: str) -> Object:
    """Every pod has one, and the controller that makes them is stopped."""
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def _objects(workloads: list[Workload]) -> Iterator[Object]:
    for work in workloads:
        yield manifests.statefulset(work)
        for name in work.claim_names:
            volume = manifests.volume(work, name)
            yield volume
            yield manifests.claim(work, name, volume["metadata"]["name"])
        for pod in work.pod_names:
            yield _pod(work, pod)


def _pod(work: Workload, name: str) -> Object:
    spec = manifests.statefulset(work)["spec"]["template"]["spec"]
    claims = [
        {"name": one, "persistentVolumeClaim": {"claimName": f"{one}-{name}"}}
        for one in work.claims
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": work.namespace, "labels": work.labels},
        "spec": spec | {"volumes": claims},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.inventory", description=__doc__)
    parser.add_argument("--sets", type=int, default=300)
    parser.add_argument("--volumes", type=int, default=5000)
    evidence.add_option(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
