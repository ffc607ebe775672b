"""A process is called dead only when that is certain."""

from __future__ import annotations

import subprocess
import sys

from csi_migration.engine.process import is_dead, this_process

_TELL = "from csi_migration.engine.process import this_process; print(this_process(), flush=True)"


def test_this_process_lives() -> None:
    assert this_process()
    assert not is_dead(this_process())


def test_a_process_that_was_killed_is_dead() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", f"{_TELL}; input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        process = child.stdout.readline().strip()
        assert not is_dead(process)
        child.kill()
    assert is_dead(process)


def test_a_pid_that_somebody_else_has_now_is_a_dead_process() -> None:
    here, _, _ = this_process().rpartition("/")

    assert is_dead(f"{here}/1")


def test_nothing_is_known_of_processes_elsewhere() -> None:
    *_, namespace, pid, start = this_process().split("/")

    assert not is_dead(f"another-boot/{namespace}/{pid}/{start}1")
    assert not is_dead("")
    assert not is_dead("nonsense")
    assert not is_dead("a/b/c/d")
