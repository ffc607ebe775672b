"""Working directories that earlier versions wrote: a later one, of the same schema, takes them.

Each is that of a run over two replicas that was killed while it waited for the claim of web-1 to
go, byte for byte. They are not made anew when a test of theirs fails: people have such
directories, whose migrations are in the middle.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from csi_migration.decide.plan_shape import strangers_in
from csi_migration.engine.reading import last_run, plan_in, writes_in
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.peek import Peek, peek
from csi_migration.journal.record import Intent
from csi_migration.model.plan import Window
from csi_migration.model.status import RunState

FOLDER = Path(__file__).with_name("directories")
VERSIONS = sorted(path.name for path in FOLDER.iterdir())


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def found(version: str) -> Peek:
    return peek(FOLDER / version)


def test_it_is_known_whose_it_is_and_how_far_its_run_came(found: Peek, version: str) -> None:
    assert found.identity.tool_version == version
    assert (found.identity.namespace, found.identity.statefulset) == ("shop", "web")
    run = last_run(found, is_at_work=False)
    assert (run.command, run.tool_version, run.state) == ("all", version, RunState.KILLED)
    assert Window(found.arguments["window"]) is Window.REPLICA
    deleted = [each for each in writes_in(found.records) if each.action == "delete-claim"]
    assert [(each.kind, each.name) for each in deleted] == [("PersistentVolumeClaim", "data-web-1")]


def test_its_plan_is_one_to_go_on_with(found: Peek) -> None:
    plan = plan_in(found)
    assert strangers_in(plan) == ()
    assert [(r.pod, [c.name for c in r.claims]) for r in plan.replicas] == [
        ("web-1", ["data-web-1"]),
        ("web-0", ["data-web-0"]),
    ]


def test_every_file_of_its_backup_is_the_one_that_was_saved(version: str, tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER / version, tmp_path / "work")
    with WorkingDirectory.open(copy) as directory:
        names = list(directory.journal.saved_files())
        assert {name.split("/")[1] for name in names if name.startswith("backup/")} == {
            "controllerrevisions",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "statefulsets",
            "storageclasses",
            "volumeattachments",
        }
        assert all(directory.load(name) for name in names)


def test_its_journal_is_gone_on_with(version: str, tmp_path: Path) -> None:
    copy = shutil.copytree(FOLDER / version, tmp_path / "work")
    with WorkingDirectory.open(copy) as directory:
        before = directory.journal.records()
        directory.journal.run_started(tool_version="9.9.9", arguments={"command": "resume"})
    again = peek(copy)
    assert again.records[:-1] == before
    assert again.last_command == "resume"
    intents = [each for each in before if isinstance(each, Intent)]
    assert intents[-1].step == "web-1/delete-claim/data-web-1"
