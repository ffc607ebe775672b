"""What the tool sent to both API servers and to vCenter: to tell that it only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.labkit import Lab, Trial
from tests.lab.proxy import Answer, Request
from tests.lab.soap import method
from tests.lab.vcenter_proxy import VCenterProxy

TOOL = "migration-tool"
READS = ("get", "list", "watch")
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
# A view and a session are vCenter's own for as long as the tool is connected.
ASKING = {
    "CnsQueryVolume",
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

Entry = dict[str, Any]


class Listening(VCenterProxy):
    """Notes every method that the tool calls."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.called: set[str] = set()

    def answer(self, request: Request) -> Answer:
        """VCenter's own, once the method is noted."""
        self.called.update(filter(None, [method(request.body)]))
        return super().answer(request)


@contextmanager
def only_reading(trial: Trial) -> Iterator[tuple[Listening, list[Entry]]]:
    """Nothing that writes may be sent by the tool meanwhile, to neither cluster nor vCenter.

    Yields a proxy for vCenter, which the tool has to be led to, and a list that holds what
    the API servers wrote down of the tool when the `with` block has ended.
    """
    before = {cluster: len(audit(trial, cluster)) for cluster in ("user", "admin")}
    vcenter, sent = Listening(trial.lab), list[Entry]()
    vcenter.listen()
    try:
        yield vcenter, sent
    finally:
        vcenter.hang_up()
    sent += (one for cluster, count in before.items() for one in audit(trial, cluster)[count:])
    assert [f"{one['verb']} {one['requestURI']}" for one in sent if not is_harmless(one)] == []
    assert "Login" in vcenter.called, f"led elsewhere: {vcenter.called}"
    assert vcenter.called <= ASKING, vcenter.called - ASKING


def audit(trial: Trial, cluster: str) -> list[Entry]:
    """What the tool's identity has asked of that API server so far."""
    lines = trial.lab.layout.audit_log(cluster).read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["user"]["username"] == TOOL]


def is_harmless(entry: Entry) -> bool:
    """It reads, tries without doing, or asks what it may do."""
    return (
        entry["verb"] in READS
        or "dryRun=All" in entry["requestURI"]
        or entry["objectRef"]["resource"] in REVIEWS
    )
