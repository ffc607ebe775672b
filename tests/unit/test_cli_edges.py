"""Odd terminals, odd numbers and odd places: what the command line makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from csi_migration.cli import options
from csi_migration.engine.places import Places, workload_client
from csi_migration.model.errors import UsageError

RUN = [sys.executable, "-c", "from csi_migration.cli.main import main; main()"]
LOOK = ["rolling-migration", "status", "--working-directory"]


@pytest.mark.parametrize("output", ["text", "json"])
def test_the_exit_code_is_the_same_when_nobody_reads_what_is_said(
    tmp_path: Path, output: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [*LOOK, str(tmp_path / "none"), "-o", output]
    ended = subprocess.run([*RUN, *arguments], stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert ended.returncode == 2


def test_the_exit_code_is_the_same_without_any_stream(tmp_path: Path) -> None:
    closed = 'exec "$@" <&- >&- 2>&-'
    arguments = ["bash", "-c", closed, "bash", *RUN, *LOOK, str(tmp_path / "none")]
    assert subprocess.run(arguments, check=False).returncode == 2


@pytest.mark.parametrize("flag", ["--soak-seconds", "--ready-timeout", "--unreachable-timeout"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_seconds_without_an_end_are_refused(flag: str, value: str) -> None:
    @click.command()
    @options.patience
    def command(**_: Any) -> None:
        raise AssertionError

    result = CliRunner().invoke(command, [flag, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{flag}'" in result.output


def test_a_secret_of_no_named_user_cluster_is_refused() -> None:
    with pytest.raises(UsageError, match="no user cluster is named"):
        workload_client(Places(kubeconfig="/nowhere", cluster_secret="ns/web/value"))


def test_a_kubeconfig_of_the_home_folder_is_recorded_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.recorded("all", {"kubeconfig": "~/a.conf"})["kubeconfig"] == f"{tmp_path}/a.conf"


def test_of_the_variables_kubeconfigs_those_are_recorded_that_are_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "b.conf").touch()
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/a.conf:{tmp_path}/b.conf")
    assert options.recorded("all", {})["kubeconfig"] == f"{tmp_path}/b.conf"
