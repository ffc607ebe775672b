"""What the engine makes of a server's answers while it looks around."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from csi_migration.decide.permissions import COMPLETING
from csi_migration.engine.dry_runs import ask
from csi_migration.engine.gather_around import Around, driver_features
from csi_migration.engine.gather_disks import recorded_ids
from csi_migration.kube import Client, ReadFailed, resources
from csi_migration.kube.resources import CLAIMS
from csi_migration.model.disk import DiskPath
from tests.unit import snapshots
from tests.unit.kube_server import CUT, ApiServer, Received, Reply, status
from tests.unit.surroundings import features


def allowed(*, yes: bool) -> Reply:
    return Reply(201, {"status": {"allowed": yes}})


def all_but(resource: str) -> Callable[[Received], Reply]:
    """The reviews come over several connections, in no order."""

    def answer(asked: Received) -> Reply:
        return allowed(yes=asked.manifest["spec"]["resourceAttributes"]["resource"] != resource)

    return answer


def listed(*items: snapshots.Raw) -> Reply:
    return Reply(200, {"metadata": {}, "items": list(items)})


@pytest.mark.parametrize("code", [400, 403, 500, 503])
def test_every_error_status_of_a_dry_run_is_a_refusal(
    server: ApiServer, client: Client, code: int
) -> None:
    server.answers += [Reply(code, status(code, "Refused", "the webhook is away"))]
    answer = ask(client, CLAIMS, snapshots.claim(0), "pvc/data-web-0")

    assert (answer.accepted, answer.message) == (False, "the webhook is away")
    assert server.received[0].query["dryRun"] == "All"


def test_no_answer_to_a_dry_run_is_no_refusal(server: ApiServer, client: Client) -> None:
    server.answers += [CUT, CUT, CUT]
    with pytest.raises(ReadFailed):
        ask(client, CLAIMS, snapshots.claim(0), "pvc/data-web-0")


def test_a_kind_that_the_syncer_has_not_defined_yet_has_no_records(
    server: ApiServer, client: Client
) -> None:
    server.answers += [Reply(404, status(404, "NotFound"))]

    assert recorded_ids(client) == {}


def test_records_are_read_by_path(server: ApiServer, client: Client) -> None:
    record = {"spec": {"volumepath": "[ds] dir/x", "volumeid": "fcd-1"}}
    broken = {"spec": {"volumepath": "nowhere", "volumeid": "fcd-2"}}
    server.answers += [listed(record, broken)]

    assert recorded_ids(client) == {DiskPath("ds", "dir/x.vmdk"): "fcd-1"}


def test_what_stands_around_is_listed_if_the_identity_may(
    server: ApiServer, client: Client
) -> None:
    server.answers += [*(allowed(yes=True) for _ in COMPLETING), listed(snapshots.autoscaler())]

    around = Around(client, "shop")
    assert around.listed(resources.AUTOSCALERS) == (snapshots.autoscaler(),)


def test_a_kind_that_is_not_defined_has_no_objects(server: ApiServer, client: Client) -> None:
    answers = [allowed(yes=True) for _ in COMPLETING]
    server.answers += [*answers, Reply(404, status(404, "NotFound"))]

    assert Around(client, "shop").listed(resources.VOLUME_SNAPSHOTS) == ()


def test_what_the_identity_may_not_see_is_unknown(server: ApiServer, client: Client) -> None:
    server.answers += [allowed(yes=False) for _ in COMPLETING]

    around = Around(client, "shop")
    assert around.listed(resources.AUTOSCALERS) is None
    assert around.controllers() == (
        {},
        ("replicasets.apps", "daemonsets.apps", "jobs.batch", "replicationcontrollers"),
    )


def test_webhooks_are_known_by_kind_and_name_and_half_of_them_are_as_good_as_none(
    server: ApiServer, client: Client
) -> None:
    hook = {"metadata": snapshots.metadata("own")}
    server.answers += [*(allowed(yes=True) for _ in COMPLETING), listed(hook), listed(hook)]
    found = Around(client, "shop").webhooks()
    assert found is not None
    assert set(found) == {"mutatingwebhookconfiguration/own", "validatingwebhookconfiguration/own"}

    refused = all_but("validatingwebhookconfigurations")
    server.answers += [*(refused for _ in COMPLETING), listed(hook)]
    assert Around(client, "shop").webhooks() is None


def test_another_statefulset_of_the_same_labels_is_no_controller_of_the_pods(
    server: ApiServer, client: Client
) -> None:
    server.answers += [allowed(yes=True) for _ in COMPLETING]
    server.answers += [listed() for _ in range(4)]

    assert Around(client, "shop").controllers() == ({}, ())
    assert not [r for r in server.received if "/statefulsets" in r.path]


def test_one_kind_that_cannot_be_seen_does_not_hide_what_the_others_hold(
    server: ApiServer, client: Client
) -> None:
    server.answers += [all_but("jobs") for _ in COMPLETING]
    server.answers += [listed({"metadata": {"name": "other"}}), listed(), listed()]

    found, unseen = Around(client, "shop").controllers()
    assert (list(found), unseen) == (["replicaset/other"], ("jobs.batch",))


FEATURES = "internal-feature-states.csi.vsphere.vmware.com"
FORBIDDEN, NOT_THERE = Reply(403, status(403, "Forbidden")), Reply(404, status(404, "NotFound"))


def test_the_drivers_features_are_read_where_they_may_be(server: ApiServer, client: Client) -> None:
    (states,) = features("true").values()
    server.answers += [FORBIDDEN, NOT_THERE, Reply(200, states)]

    assert driver_features(client) == {"kube-system": states}
    assert {r.path.rpartition("/")[2] for r in server.received} == {FEATURES}


def test_a_driver_without_features_is_not_one_whose_features_may_not_be_read(
    server: ApiServer, client: Client
) -> None:
    server.answers += [FORBIDDEN, NOT_THERE, FORBIDDEN]
    assert driver_features(client) == {}
    server.answers += [FORBIDDEN] * 3
    assert driver_features(client) is None
