"""The flags of a migration that is taken up come from its directory, and must agree with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from csi_migration.cli import options, taking_up
from csi_migration.cli.resume import resume
from csi_migration.cli.rollback import rollback
from csi_migration.model.errors import UsageError

RECORDED = {
    "command": "rollback",
    "sts_name": "web",
    "sts_namespace": "shop",
    "cluster_name": "prod-1",
    "kubeconfig": "/home/first/admin.conf",
    "window": "run",
    "soak_seconds": 7.0,
    "replica": [1],
    "working_directory": "/home/first/web",
    "accept": ["classes"],
}


def merged(*arguments: str, recorded: dict[str, Any] = RECORDED) -> dict[str, Any]:
    found: dict[str, Any] = {}

    @click.command()
    @options.places
    @options.statefulset_begun
    @taking_up.working_directory
    @click.option("--replica", type=int, multiple=True)
    @options.accepting
    @options.patience_begun
    @options.output
    def command(**given: Any) -> None:
        found.update(taking_up.merged(given, recorded, given["working_directory"]))

    result = CliRunner().invoke(command, ["--working-directory", "copy", *arguments])
    if result.exception:
        raise result.exception
    return found


def test_flags_that_are_not_given_are_those_of_the_beginning() -> None:
    flags = merged()

    assert (flags["sts_name"], flags["cluster_name"], flags["window"]) == ("web", "prod-1", "run")
    assert flags["soak_seconds"] == 7.0
    assert flags["ready_timeout"] == 900.0


def test_places_and_patience_may_be_given_anew() -> None:
    flags = merged("--kubeconfig", "elsewhere.conf", "--soak-seconds", "0")

    assert (flags["kubeconfig"], flags["soak_seconds"]) == ("elsewhere.conf", 0.0)


def test_what_was_meant_for_one_run_does_not_outlive_it() -> None:
    flags = merged()

    assert flags["replica"] == ()
    assert flags["working_directory"] == Path("copy")
    assert "command" not in flags


def test_the_cluster_may_be_reached_without_its_admin_cluster() -> None:
    flags = merged("--cluster-name", "", recorded=RECORDED | {"cluster_secret": "a/b/c"})

    assert (flags["cluster_name"], flags["cluster_secret"]) == ("", None)


@pytest.mark.parametrize(
    ("name", "given", "secret"),
    [("prod-1", "prod-1", "a/b/c"), ("prod-1", "prod-2", None), ("", None, None)],
)
def test_a_recorded_secret_is_of_the_recorded_cluster_alone(
    name: str, given: str | None, secret: str | None
) -> None:
    recorded = RECORDED | {"cluster_name": name, "cluster_secret": "a/b/c"}

    flags = merged(*(("--cluster-name", given) if given else ()), recorded=recorded)
    assert flags["cluster_secret"] == secret


def test_a_check_of_another_version_that_was_accepted_is_in_nobodys_way() -> None:
    flags = merged(recorded=RECORDED | {"accept": ["classes", "of-another-version"]})

    assert flags["accept"] == ["classes"]


def test_no_more_at_once_than_preflight_ever_looked_at() -> None:
    recorded = RECORDED | {"max_unavailable": 1, "most_unavailable": 3}

    assert merged(recorded=recorded)["max_unavailable"] == 1
    assert merged("--max-unavailable", "3", recorded=recorded)["max_unavailable"] == 3
    with pytest.raises(UsageError, match="begun with 3"):
        merged("--max-unavailable", "4", recorded=recorded)


def test_what_was_accepted_stays_so_and_more_may_be() -> None:
    assert merged()["accept"] == ["classes"]
    assert merged("--accept", "machine-snapshots")["accept"] == ["classes", "machine-snapshots"]


def test_a_directory_of_a_version_that_recorded_no_acceptance_has_none() -> None:
    assert merged(recorded={"sts_name": "web"})["accept"] == []


@pytest.mark.parametrize("command", [resume, rollback], ids=lambda each: str(each.name))
def test_no_default_is_shown_where_the_directory_has_the_value(command: click.Command) -> None:
    shown = CliRunner().invoke(command, ["--help"]).output

    assert shown.count("[default: (as before)") == 3
    assert "[default: 30" not in shown


def test_a_check_that_does_not_exist_can_not_be_accepted() -> None:
    with pytest.raises(click.BadParameter, match="no-such-check"):
        options.run_options_of(merged("--accept", "no-such-check"))


def test_a_flag_that_says_the_same_is_welcome() -> None:
    assert merged("--sts-name", "web", "--window", "run")["sts_name"] == "web"


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--sts-name", "other"), ("--window", "replica")],
)
def test_a_flag_that_contradicts_the_directory_is_refused(flag: str, value: str) -> None:
    with pytest.raises(UsageError) as refused:
        merged(flag, value)
    assert flag in refused.value.message
    assert str(RECORDED[flag.removeprefix("--").replace("-", "_")]) in refused.value.message


def test_paths_are_recorded_for_whoever_resumes_from_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "a.conf:b.conf")
    given = {"kubeconfig": None, "vcenter_ca": Path("ca.pem"), "health_command": "secret"}

    kept = options.recorded("all", given)
    assert kept["kubeconfig"] == f"{tmp_path}/a.conf:{tmp_path}/b.conf"
    assert kept["vcenter_ca"] == f"{tmp_path}/ca.pem"
    assert "secret" not in str(kept)
    assert kept["has_health_command"] is True


@pytest.mark.parametrize(
    "flag", ["--sts-name", "--sts-namespace", "--intree-storageclass", "--csi-storageclass"]
)
@pytest.mark.parametrize("value", ["", "..", "a/b", "a b"])
def test_what_no_object_is_called_is_no_name(flag: str, value: str) -> None:
    @click.command()
    @options.statefulset_begun
    def command(**_: Any) -> None:
        raise AssertionError

    result = CliRunner().invoke(command, [flag, value])

    assert result.exit_code == 2
    assert f"Invalid value for '{flag}': {value!r} is no object's name" in result.output
