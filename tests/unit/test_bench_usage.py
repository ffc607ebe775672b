"""What a command used is told of the command alone, and its failure is no figure."""

from __future__ import annotations

import sys

import pytest

from bench.usage import CommandFailed, run


def test_a_commands_own_memory_is_told_whatever_the_benchmark_holds() -> None:
    held = bytearray(300 << 20)
    held[::4096] = b"x" * len(held[::4096])
    used = run([sys.executable, "-S", "-c", "pass"])
    assert 1 < used.peak_megabytes < 100
    assert len(held) == 300 << 20


def test_a_command_that_works_has_used_the_processor() -> None:
    used = run([sys.executable, "-S", "-c", "sum(range(5_000_000))"])
    assert used.cpu_seconds > 0
    assert used.wall_seconds > 0


def test_a_command_that_fails_says_how() -> None:
    complaint = "import sys; print('no such set', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CommandFailed, match=r"(?s)exit code 3: .*no such set"):
        run([sys.executable, "-S", "-c", complaint])


def test_a_command_is_given_its_variables() -> None:
    asks = "import os, sys; sys.exit(os.environ['WHO'] != 'operator')"
    assert run([sys.executable, "-S", "-c", asks], {"WHO": "operator"}).wall_seconds
