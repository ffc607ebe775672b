"""`python -m tests.mutations`: breaks the tool on purpose and sees the tests fail.

Each mutation changes a copy of the sources. The tests that are named for it run
against that copy, level by level; a level at which no test notices is an error.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.catalogue import MUTATIONS
from tests.mutations.mutation import Mutation

ROOT = Path(__file__).parents[2]
_FAILED = re.compile(r"^(?:FAILED|ERROR) tests/(\S+)", re.MULTILINE)


def main() -> int:
    """Print one line per mutation; 1 if any went unnoticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutations to try [default: all]")
    wanted = parser.parse_args().names
    chosen = [m for m in MUTATIONS if not wanted or m.name in wanted]
    unnoticed = [mutation.name for mutation in chosen if not _is_noticed(mutation)]
    print(f"mutations noticed: {len(chosen) - len(unnoticed)}/{len(chosen)}")
    return 1 if unnoticed or not chosen else 0


def _is_noticed(mutation: Mutation) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "src"
        shutil.copytree(ROOT / "src", sources)
        mutation.apply(sources / "csi_migration")
        noticed = {level: _failures(sources, level) for level in mutation.tests}
    print(f"{mutation.name}: {mutation.what}")
    for level, failures in noticed.items():
        for failed in failures or [f"NOTHING NOTICED IT in {level}"]:
            print(f"    {failed}")
    sys.stdout.flush()
    return all(noticed.values())


def _failures(sources: Path, tests: str) -> list[str]:
    """The tests that fail against these sources, in this process tree only."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests.split()],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(sources)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    failed = _FAILED.findall(ended.stdout)
    if ended.returncode not in (0, 1) or bool(failed) != (ended.returncode == 1):
        sys.exit(f"the tests themselves did not run:\n{ended.stdout[-3000:]}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
