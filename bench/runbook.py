"""The manual procedure, as `runbook.sh` has it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.bed import Bed
from bench.usage import Usage, run
from lab.manifests import Workload

NEEDED = ("kubectl", "jq")
_SCRIPT = Path(__file__).with_name("runbook.sh")


def missing() -> list[str]:
    """The programs of NEEDED that are not here."""
    return [name for name in NEEDED if not shutil.which(name)]


def follow(bed: Bed, workload: Workload) -> Usage:
    """Run the script to its end."""
    folder = bed.layout.root / "runbook" / workload.namespace
    command = [str(_SCRIPT), workload.namespace, workload.name, "standard-rwo", str(folder)]
    with bed.by_hand() as environment:
        return run(command, environment | {"REGISTER": f"{sys.executable} -m bench.register"})
