from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from csi_migration.journal import condition
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.errors import JournalBroken, JournalUnreadable
from csi_migration.journal.record import Identity
from csi_migration.model.errors import Locked, ToolError, UsageError

IDENTITY = Identity(
    namespace="shop",
    statefulset="web",
    statefulset_uid="uid-1",
    cluster="https://127.0.0.1:6443",
    cluster_uid="uid-0",
    tool_version="0.1.0",
)


def clock() -> datetime:
    return datetime(2026, 11, 22, 20, 10, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below a path, to see that nothing was changed."""
    found = sorted(path.rglob("*"))
    return {str(p.relative_to(path)): p.read_bytes() if p.is_file() else None for p in found}


def test_it_makes_the_folder_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with WorkingDirectory.create(path, IDENTITY) as directory:
        assert directory.path == path
        assert directory.identity == IDENTITY

    assert path.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in path.iterdir()} == {
        "journal.jsonl": 0o600,
        "lock": 0o600,
    }


def test_an_empty_folder_will_do(path: Path) -> None:
    path.mkdir()

    WorkingDirectory.create(path, IDENTITY).close()

    assert (path / "journal.jsonl").exists()


def test_a_run_that_died_before_its_journal_began_left_an_empty_directory(path: Path) -> None:
    path.mkdir()
    (path / "lock").touch()
    (path / ".journal.jsonl.tmp").write_bytes(b'{"type":"crea')

    WorkingDirectory.create(path, IDENTITY).close()

    assert sorted(tree(path)) == ["journal.jsonl", "lock"]


def test_a_strangers_directory_is_refused_and_left_alone(path: Path) -> None:
    path.mkdir()
    for name in ("e", "a", "d", "b", "c"):
        (path / name).touch()
    before = tree(path)

    with pytest.raises(UsageError, match="is not empty: it holds a, b, c and 2 more") as caught:
        WorkingDirectory.create(path, IDENTITY)

    assert caught.value.state == "Nothing was changed."
    assert caught.value.exit_code == 2
    assert tree(path) == before


@pytest.mark.parametrize(
    ("exit_code", "told"), [(None, "did not finish"), (5, "did not finish"), (0, "finished")]
)
def test_another_migrations_directory_is_refused_by_name(
    path: Path, exit_code: int | None, told: str
) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        if exit_code is not None:
            directory.journal.run_ended(exit_code=exit_code, state="")
    before = tree(path)

    with pytest.raises(UsageError, match=f"migration of StatefulSet shop/web, which {told}"):
        WorkingDirectory.create(path, IDENTITY)

    assert tree(path) == before


def test_a_damaged_journal_is_refused_too(path: Path) -> None:
    path.mkdir()
    (path / "journal.jsonl").write_bytes(b"damaged\n")

    with pytest.raises(UsageError, match="whose journal cannot be read"):
        WorkingDirectory.create(path, IDENTITY)


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_is_no_directory(path: Path, below: str) -> None:
    path.write_text("mine")

    with pytest.raises(UsageError, match="is not a directory"):
        WorkingDirectory.create(path / below, IDENTITY)

    assert path.read_text() == "mine"


def test_a_full_disk_is_noticed_beforehand(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 10**6, 1023, 1023, 10**6, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)

    with pytest.raises(UsageError, match="4092 KiB are free, 4096 KiB are needed"):
        WorkingDirectory.create(path, IDENTITY)

    assert not path.exists()


def test_a_folder_without_write_permission_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write anywhere, so the permission cannot be taken away for real.
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(UsageError, match="cannot be written to"):
        WorkingDirectory.create(path, IDENTITY)

    assert not path.exists()


def test_a_read_only_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", fail(errno.EROFS))

    with pytest.raises(UsageError, match="cannot be written to") as caught:
        WorkingDirectory.create(path, IDENTITY)

    assert "Read-only file system" in caught.value.details


@pytest.mark.parametrize("call", ["open", "ftruncate"])
def test_a_lock_that_cannot_be_taken_is_a_refusal(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    WorkingDirectory.create(path, IDENTITY).close()
    before = tree(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail(errno.EIO))
        with pytest.raises(UsageError, match="cannot be written to"):
            WorkingDirectory.open(path)

    assert tree(path) == before
    WorkingDirectory.open(path).close()


def test_a_folder_that_cannot_be_looked_into_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.mkdir()
    monkeypatch.setattr(Path, "iterdir", fail(errno.EACCES))

    with pytest.raises(UsageError, match="cannot be written to"):
        WorkingDirectory.create(path, IDENTITY)


def fail(number: int) -> Callable[..., int]:
    def failing(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return failing


def test_what_was_saved_is_loaded(path: Path) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        digest = directory.save("pods/web-0.json", b"{}")

    assert digest == hashlib.sha256(b"{}").hexdigest()
    assert (path / "pods" / "web-0.json").stat().st_mode & 0o777 == 0o600
    with WorkingDirectory.open(path) as directory:
        assert directory.load("pods/web-0.json") == b"{}"
        assert directory.notice == ""
    assert not list(path.rglob("*.tmp"))


def test_a_backup_is_never_replaced(path: Path) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        directory.save("a", b"one")
        directory.save("a", b"one")

        with pytest.raises(JournalUnreadable, match="saved before with other content"):
            directory.save("a", b"two")
        assert directory.load("a") == b"one"
        assert len(directory.journal.records()) == 2


def test_a_file_from_before_a_crash_that_was_not_recorded_yet_is_replaced(path: Path) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        (path / "a").write_bytes(b"of a run that died")

        directory.save("a", b"now")

        assert directory.load("a") == b"now"


@pytest.mark.parametrize(
    ("name", "message"),
    [("a", "was changed since"), ("b", "cannot be read"), ("c", "was never saved")],
    ids=["changed", "gone", "never there"],
)
def test_a_backup_that_is_not_what_was_saved_is_refused(
    path: Path, name: str, message: str
) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        directory.save("a", b"one")
        directory.save("b", b"one")
        (path / "a").write_bytes(b"two")
        (path / "b").unlink()
        (path / "c").write_bytes(b"three")

        with pytest.raises(JournalUnreadable, match=message) as caught:
            directory.load(name)
        assert caught.value.exit_code == 6


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_backup_that_did_not_reach_the_disk_is_not_recorded(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail(errno.ENOSPC))
            with pytest.raises(JournalBroken) as caught:
                directory.save("a", b"one")

        assert caught.value.exit_code == 5
        assert directory.journal.saved_files() == {}
        assert not (path / "a").exists()


def test_the_readme_may_be_written_anew_but_no_backup(path: Path) -> None:
    with WorkingDirectory.create(path, IDENTITY) as directory:
        directory.write_text("README.md", "one")
        directory.write_text("README.md", "twó")
        directory.save("a", b"one")

        with pytest.raises(ValueError, match="backup"):
            directory.write_text("a", "two")

    assert (path / "README.md").read_text(encoding="utf-8") == "twó"


@pytest.mark.parametrize(
    "name", ["", "/etc/x", "../x", "a/../b", "a//b", "journal.jsonl", "lock", ".hidden", "a/.b"]
)
def test_a_backups_name_stays_within_the_directory(path: Path, name: str) -> None:
    with (
        WorkingDirectory.create(path, IDENTITY) as directory,
        pytest.raises(ValueError, match=r"no plain name|not for backups"),
    ):
        directory.save(name, b"")


def test_a_directory_without_a_migration_cannot_be_taken_up(path: Path) -> None:
    path.mkdir()

    with pytest.raises(UsageError, match="There is no migration in"):
        WorkingDirectory.open(path)

    assert tree(path) == {}


def test_a_record_cut_short_is_dropped_and_that_is_said(path: Path) -> None:
    WorkingDirectory.create(path, IDENTITY).close()
    with (path / "journal.jsonl").open("ab") as file:
        file.write(b'{"type":"no')

    with WorkingDirectory.open(path) as directory:
        assert "was dropped (11 bytes)" in directory.notice
        assert len(directory.journal.records()) == 1


def test_a_damaged_journal_is_not_taken_up_and_not_kept_locked(path: Path) -> None:
    WorkingDirectory.create(path, IDENTITY).close()
    whole = (path / "journal.jsonl").read_bytes()
    (path / "journal.jsonl").write_bytes(b"x" + whole)
    with pytest.raises(JournalUnreadable):
        WorkingDirectory.open(path)

    (path / "journal.jsonl").write_bytes(whole)
    WorkingDirectory.open(path).close()


HOLD = """
import sys
from pathlib import Path
from csi_migration.journal.directory import WorkingDirectory
directory = WorkingDirectory.open(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("take", ["open", "create"])
def test_two_processes_cannot_hold_one_directory(path: Path, take: str) -> None:
    WorkingDirectory.create(path, IDENTITY).close()
    attempts: dict[str, Callable[[], WorkingDirectory]] = {
        "open": lambda: WorkingDirectory.open(path),
        "create": lambda: WorkingDirectory.create(path, IDENTITY),
    }
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = tree(path)
        with pytest.raises(Locked, match=f"in use by pid {holder.pid} on host") as caught:
            attempts[take]()
        assert caught.value.exit_code == 7
        assert tree(path) == before
        holder.send_signal(signal.SIGKILL)

    WorkingDirectory.open(path).close()


def test_a_run_that_came_and_went_since_the_first_look_is_not_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = condition.refuse_unless_usable

    def look_slowly(at: Path) -> None:
        look(at)
        monkeypatch.setattr(condition, "refuse_unless_usable", look)
        WorkingDirectory.create(at, IDENTITY).close()

    monkeypatch.setattr(condition, "refuse_unless_usable", look_slowly)

    with pytest.raises(UsageError, match="migration of StatefulSet shop/web"):
        WorkingDirectory.create(path, IDENTITY)

    WorkingDirectory.open(path).close()


def test_the_lock_says_who_holds_it_and_since_when(path: Path) -> None:
    with WorkingDirectory.create(path, IDENTITY, clock):
        told = (path / "lock").read_text()

        with pytest.raises(Locked, match=r"since 2026-11-22T20:10:00\.000Z"):
            WorkingDirectory.open(path)
    host = os.uname().nodename
    assert told == f"pid {os.getpid()} on host {host} since 2026-11-22T20:10:00.000Z\n"


def test_every_refusal_says_what_to_do(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()
    refusals: list[Callable[[], WorkingDirectory]] = [
        lambda: WorkingDirectory.create(path, IDENTITY),
        lambda: WorkingDirectory.create(path / "x", IDENTITY),
        lambda: WorkingDirectory.open(path),
    ]

    for refusal in refusals:
        with pytest.raises(ToolError) as caught:
            refusal()
        assert caught.value.resolution
