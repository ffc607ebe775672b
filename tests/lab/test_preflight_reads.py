"""`preflight` sends nothing that writes, to neither cluster nor vCenter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import StartTrial
from tests.lab.labkit import Lab, Trial
from tests.lab.proxy import Answer, Request
from tests.lab.soap import method
from tests.lab.vcenter_proxy import VCenterProxy

TOOL = "migration-tool"
READS = ("get", "list", "watch")
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
# A view and a session are vCenter's own for as long as the tool is connected.
ASKING = {
    "Login",
    "Logout",
    "Fetch",
    "RetrieveServiceContent",
    "RetrievePropertiesEx",
    "ContinueRetrievePropertiesEx",
    "CreateContainerView",
    "DestroyView",
    "HasPrivilegeOnEntities",
    "ListVStorageObject",
    "QueryVirtualDiskUuid",
    "RetrieveVStorageObject",
    "RetrieveVStorageObjectAssociations",
    "SearchDatastore_Task",
}


class Listening(VCenterProxy):
    """Notes every method that the tool calls."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.called: list[str] = []

    def answer(self, request: Request) -> Answer:
        """VCenter's own, once the method is noted."""
        self.called += filter(None, [method(request.body)])
        return super().answer(request)


def test_preflight_of_a_healthy_set_sends_reads_only(
    lab: Lab, trial: StartTrial, tmp_path: Path
) -> None:
    made = trial(replicas=3)
    before = {name: len(audit(made, name)) for name in ("user", "admin")}
    proxy = Listening(lab)
    proxy.listen()
    try:
        configuration = proxy.configuration(tmp_path / "csi-vsphere.conf")
        run = made.preflight("--vcenter-config", str(configuration))
    finally:
        proxy.hang_up()
    assert run.exit_code == 0, str(run)
    sent = [entry for name, count in before.items() for entry in audit(made, name)[count:]]
    assert [entry for entry in sent if "dryRun=All" in entry["requestURI"]], "no dry-run seen"
    assert [f"{one['verb']} {one['requestURI']}" for one in sent if not is_harmless(one)] == []
    assert {"RetrieveVStorageObject", "RetrievePropertiesEx"} <= set(proxy.called)
    assert set(proxy.called) - ASKING == set()


def audit(made: Trial, cluster: str) -> list[dict[str, Any]]:
    """What the tool's identity has asked of that API server so far."""
    lines = made.lab.layout.audit_log(cluster).read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [one for one in entries if one["user"]["username"] == TOOL]


def is_harmless(entry: dict[str, Any]) -> bool:
    """It reads, tries without doing, or asks what it may do."""
    return (
        entry["verb"] in READS
        or "dryRun=All" in entry["requestURI"]
        or entry["objectRef"]["resource"] in REVIEWS
    )
