"""`preflight` sends nothing that writes, to neither cluster nor vCenter."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartTrial
from tests.lab.readkit import only_reading


def test_preflight_of_a_healthy_set_sends_reads_only(trial: StartTrial, tmp_path: Path) -> None:
    made = trial(replicas=3)
    with only_reading(made) as (vcenter, sent):
        configuration = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        run = made.preflight("--vcenter-config", str(configuration))
    assert run.exit_code == 0, str(run)
    assert [entry for entry in sent if "dryRun=All" in entry["requestURI"]], "no dry-run seen"
    assert "RetrieveVStorageObject" in vcenter.called
