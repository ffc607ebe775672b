"""How a run that is refused before its first step leaves the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi_migration.engine.start import _ending_if_refused
from csi_migration.journal.directory import WorkingDirectory
from csi_migration.journal.peek import peek
from csi_migration.journal.record import RunEnded
from csi_migration.model.errors import NeedsPerson
from tests.unit.journal_samples import IDENTITY


def test_a_refused_run_has_ended_and_was_not_killed(tmp_path: Path) -> None:
    with WorkingDirectory.create(tmp_path / "work", IDENTITY) as held:
        held.journal.run_started(tool_version="0.1.0", arguments={})
        with pytest.raises(NeedsPerson), _ending_if_refused(held):
            raise NeedsPerson("another migration has not ended")

    last = peek(tmp_path / "work").records[-1]
    assert isinstance(last, RunEnded)
    assert (last.exit_code, "another migration" in last.state) == (6, True)
