"""One run at a time in a working directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from csi_migration.journal.files import PRIVATE_FILE, write_all
from csi_migration.model.errors import Locked


class DirectoryLock:
    """An exclusive flock on a file, held until `release` or the process's end.

    The kernel drops it however the process ends, so no lock is ever stale; what
    the file says about its holder only serves the message for the one refused.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, holder: str) -> Self:
        """Take the lock in the name of `holder`, one line.

        Raises:
            Locked: another run holds it.
            OSError: the file cannot be made or written.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            write_all(descriptor, f"{holder}\n".encode())
        except BlockingIOError:
            os.close(descriptor)
            raise _locked(path) from None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let the next run in. The file stays: removing it would race with that run."""
        os.close(self._descriptor)


def refuse_if_held(path: Path) -> None:
    """Raise Locked when another run holds the lock; change nothing, make nothing."""
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _locked(path) from None
    finally:
        os.close(descriptor)


def _locked(path: Path) -> Locked:
    holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another run"
    return Locked(
        f"The working directory {path.parent} is in use by {holder}.",
        resolution="Wait until that run has ended, or stop it with Ctrl-C: "
        "it ends at its next safe point.",
    )
