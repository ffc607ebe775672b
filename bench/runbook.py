"""The manual procedure, as `runbook.sh` has it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench.bed import Bed
from bench.usage import Usage, run
from lab.manifests import Workload

# How the new volume and the new claim come.
APART, TOGETHER = "apart", "together"
NEEDED = ("kubectl", "jq")
_SCRIPT = Path(__file__).with_name("runbook.sh")


def missing() -> list[str]:
    """The programs of NEEDED that are not here."""
    return [name for name in NEEDED if not shutil.which(name)]


def follow(bed: Bed, workload: Workload, form: str) -> Usage:
    """Run the script to its end; the `form` is APART or TOGETHER."""
    folder = bed.layout.root / "runbook" / workload.namespace
    names = (workload.namespace, workload.name, "standard-rwo")
    command = [str(_SCRIPT), *names, str(folder), form]
    with bed.by_hand() as environment:
        return run(command, environment | {"REGISTER": f"{sys.executable} -m bench.register"})
