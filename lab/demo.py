"""`python -m lab demo`: a migration from end to end, judged from outside the tool."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from lab import cluster, workload
from lab.client import Cluster
from lab.facts import Facts
from lab.inspection import ClaimReport, Inspection, Report
from lab.layout import Layout
from lab.manifests import Workload
from lab.objects import USER_CLUSTER
from lab.progress import say
from lab.timeline import Observer, Sample, away, quorum_lost

WORKLOAD = Workload(namespace="demo", name="web", replicas=3, claims=("data", "logs"))
SOAK_SECONDS = "5"
COLUMNS = ("REPLICA", "AWAY", "CLAIM", "OLD VOLUME", "NEW VOLUME", "FCD")


def run(layout: Layout, *, keep: bool, working_directory: Path | None) -> int:
    """Start a lab, migrate a set in it, print what became of it, stop the lab.

    Returns 0 only if the tool succeeded and nothing was lost, doubled or deleted.
    """
    known = cluster.up(layout)
    try:
        return _show(layout, known, working_directory)
    finally:
        if keep:
            say("the lab stays up; stop it with: python -m lab down")
        else:
            cluster.down(layout)


def _show(layout: Layout, known: Facts, working_directory: Path | None) -> int:
    client = Cluster(layout.kubeconfig("user", "admin"))
    _prepare(layout, client, known)
    inspection = Inspection(layout, client, known.vcenter, WORKLOAD)
    directory = working_directory or layout.root / "working-directory"
    if working_directory is None:
        shutil.rmtree(directory, ignore_errors=True)
    with Observer(client, WORKLOAD.namespace) as observer:
        exit_code = _migrate(layout, directory)
    return _judge(inspection.report(), observer.samples, exit_code)


def _prepare(layout: Layout, client: Cluster, known: Facts) -> None:
    if client.list("StatefulSet", WORKLOAD.namespace):
        say("taking the last demo's StatefulSet away")
        workload.clear(layout, client, WORKLOAD.namespace)
    say(f"StatefulSet {WORKLOAD.name}: {WORKLOAD.replicas} replicas on in-tree volumes")
    workload.create(client, known.vcenter, WORKLOAD)


def tool_options(kubeconfig: Path, work: Workload, *, cluster_name: str = "") -> list[str]:
    """The options that both of the tool's commands take."""
    named = ["--cluster-name", cluster_name] if cluster_name else []
    return [
        *("--kubeconfig", str(kubeconfig), *named),
        *("--sts-name", work.name, "--sts-namespace", work.namespace),
        *("--intree-storageclass", work.storage_class, "--csi-storageclass", work.csi_class),
    ]


def tool() -> Path:
    """The product's program, installed beside this interpreter."""
    return Path(sys.executable).with_name("statefulset-csi-migration-tool")


def _migrate(layout: Layout, directory: Path) -> int:
    kubeconfig = layout.kubeconfig("admin", "tool")
    options = tool_options(kubeconfig, WORKLOAD, cluster_name=USER_CLUSTER)
    migration = ["rolling-migration", "all", *options]
    run_options = ["--working-directory", str(directory), "--soak-seconds", SOAK_SECONDS, "--yes"]
    return _run(["preflight", *options]) or _run([*migration, *run_options])


def _run(arguments: list[str]) -> int:
    command = [str(tool()), *arguments]
    print(f"\n$ {shlex.join([tool().name, *arguments])}", flush=True)
    return subprocess.run(command, check=False).returncode


def _judge(report: Report, samples: list[Sample], exit_code: int) -> int:
    print(f"\n{_table(report.claims, samples)}\n")
    lost_seconds = round(quorum_lost(samples, WORKLOAD.pod_names), 1)
    before = sum(claim.records_before for claim in report.claims)
    after = sum(claim.records_after for claim in report.claims)
    crossed = sum(claim.chain_crosses for claim in report.claims)
    print(f"records: {before} before the swap, {after} after it")
    print(f"chains of records unbroken across the swap: {crossed} of {len(report.claims)}")
    print(f"records lost: {report.records_lost}")
    print(f"second writers: {report.second_writers}")
    print(f"quorum lost: {lost_seconds:g} s")
    print(f"disks deleted: {len(report.disks_deleted)}")
    problems = report.problems()
    whole = crossed == len(report.claims) and not problems and not lost_seconds
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 0 if whole and exit_code == 0 else 1


def _table(claims: list[ClaimReport], samples: list[Sample]) -> str:
    rows = [COLUMNS]
    for pod in reversed(WORKLOAD.pod_names):
        seconds = f"{away(samples, pod):.1f} s"
        rows += [
            (pod, seconds, one.claim, one.old_volume, one.new_volume or "-", one.disk_id or "-")
            for one in claims
            if one.claim.endswith(f"-{pod}")
        ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
