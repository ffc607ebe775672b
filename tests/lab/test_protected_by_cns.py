"""From 8.0.3 on CNS itself protects the disks that it registers. The lab of the other tests
has the last vCenter that does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.vcenter import VERSION
from tests.lab.labkit import Lab
from tests.lab.migration import migrated


@contextmanager
def vcenter_of(lab: Lab, version: str) -> Iterator[None]:
    """Upgrade the lab's vCenter, and put it back when the block ends."""
    path = lab.layout.vcenter / "config.json"
    before = path.read_text()
    newer = {"version": version, "api_version": f"{version}.0"}
    try:
        path.write_text(json.dumps(json.loads(before) | newer))
        lab.restart("vcenter")
        yield
    finally:
        path.write_text(before)
        lab.restart("vcenter")


def test_what_cns_has_protected_is_not_protected_again(lab: Lab, tmp_path: Path) -> None:
    with (
        vcenter_of(lab, VERSION),
        migrated(lab, tmp_path, namespace="protected-by-cns", replicas=1) as migration,
    ):
        assert all(disk.config.keepAfterDeleteVm for disk in migration.disks().values())
        assert migration.calls("SetVStorageObjectControlFlags") == []
