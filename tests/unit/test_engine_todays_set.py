"""A rollback takes the set as it finds it, and waits for nobody but its controller."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from csi_migration.decide.plan import plan_of
from csi_migration.decide.todays_set import doubts_about_heir
from csi_migration.engine.companions import missing_claims, settled_set, vanished
from csi_migration.engine.run import Options, Run
from csi_migration.engine.todays_set import go_by_todays_set, save_todays_set
from csi_migration.engine.whole_set import made_in
from csi_migration.journal.record import Intent, ObjectRef, Record, RunEnded, RunStarted, Saved
from csi_migration.kube import Resource, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import Notice
from csi_migration.model.objects import FIELD_MANAGER
from tests.unit import snapshots
from tests.unit.memory_cluster import MemoryCluster, Raw
from tests.unit.snapshots import changed


def cluster_of(statefulset: Raw | None) -> MemoryCluster:
    cluster = MemoryCluster()
    if statefulset:
        cluster.put(resources.STATEFULSETS, statefulset)
    for ordinal in (0, 1):
        cluster.put(resources.PODS, snapshots.pod(ordinal))
        cluster.put(resources.CLAIMS, snapshots.claim(ordinal))
    return cluster


class Directory:
    """A working directory in memory, with what is saved in its journal."""

    def __init__(self, records: tuple[Record, ...]) -> None:
        self.records: tuple[Record, ...] = records
        self.journal = SimpleNamespace(records=lambda: self.records, saved_files=dict)

        self.files: dict[str, bytes] = {}

    def save(self, name: str, data: bytes) -> None:
        self.files[name] = data
        self.records += (Saved(seq=len(self.records), time="", file=name, sha256=""),)

    def load(self, name: str) -> bytes:
        return self.files[name]


def run_on(cluster: MemoryCluster, *opened: Raw, waits: Any = None) -> tuple[Run, list[str]]:
    told: list[str] = []
    run = SimpleNamespace(
        systems=SimpleNamespace(client=cluster),
        plan=plan_of(snapshots.healthy()),
        options=Options(),
        made=set(),
        directory=Directory(intents(*opened)),
        patiently=lambda _, look: look(),
        waiter=lambda *_: SimpleNamespace(pause=waits),
        tell=lambda event: told.append(cast(Notice, event).text),
    )
    return cast(Run, run), told


def intents(*opened: Raw) -> tuple[Intent, ...]:
    reference = ObjectRef(kind="StatefulSet", name="web", namespace=snapshots.NAMESPACE, uid="u")
    return tuple(
        Intent(
            seq=number,
            time="",
            step="",
            replica="",
            action="open-window",
            object=reference,
            parameters={"statefulset": statefulset},
        )
        for number, statefulset in enumerate(opened)
    )


def scaled(replicas: int) -> Raw:
    found: Raw = changed(snapshots.statefulset(), "spec/replicas", replicas)
    return found


def test_a_set_that_nobody_changed_is_not_worth_a_word() -> None:
    run, told = run_on(cluster_of(snapshots.statefulset()))
    before = run.plan
    go_by_todays_set(run)
    assert (run.plan.original["spec"], run.plan.replicas, told) == (
        before.original["spec"],
        before.replicas,
        [],
    )


def test_replicas_that_were_made_since_are_told_of_and_looked_after() -> None:
    cluster = cluster_of(scaled(3))
    run, told = run_on(cluster)
    go_by_todays_set(run)

    assert any("web-2: made after the backup" in words for words in told)
    assert settled_set(run) is not None
    assert vanished(run) == ["web-2"]
    assert [each.name for each in missing_claims(run)] == ["data-web-2"]
    cluster.put(resources.CLAIMS, snapshots.claim(2))
    assert missing_claims(run) == []
    going = changed(snapshots.claim(2), "metadata/deletionTimestamp", "2026-01-01T00:00:00Z")
    cluster.put(resources.CLAIMS, going)
    assert [each.name for each in missing_claims(run)] == ["data-web-2"]


def test_a_set_that_is_away_is_the_one_that_was_taken_away_last() -> None:
    run, told = run_on(cluster_of(None), snapshots.statefulset(), scaled(3))
    go_by_todays_set(run)
    assert run.plan.original["spec"]["replicas"] == 3
    assert any("spec.replicas is 3 instead of 2" in words for words in told)


def test_a_set_of_somebody_else_is_left_to_those_who_refuse_it() -> None:
    foreign = changed(scaled(1), "metadata/uid", "uid-strange")
    run, told = run_on(cluster_of(foreign))
    before = run.plan
    go_by_todays_set(run)
    assert (run.plan, told) == (before, [])


def test_what_the_set_becomes_after_the_rollback_has_begun_is_refused() -> None:
    cluster = cluster_of(scaled(3))
    run, _ = run_on(cluster)
    go_by_todays_set(run)
    cluster.put(resources.STATEFULSETS, scaled(4))
    with pytest.raises(NeedsPerson, match=r"spec\.replicas is 4 instead of 3"):
        settled_set(run)


def test_its_controller_has_to_catch_up_before_its_revision_is_believed() -> None:
    cluster = cluster_of(changed(snapshots.statefulset(), "metadata/generation", 2))
    caught_up = changed(cluster.get(resources.STATEFULSETS, "web"), "status/observedGeneration", 2)
    asked: list[str] = []

    def wait(reason: str) -> None:
        asked.append(reason)
        cluster.put(resources.STATEFULSETS, changed(caught_up, "status/updateRevision", "web-new"))

    run, _ = run_on(cluster, waits=wait)
    with pytest.raises(NeedsPerson, match="web-new has not ended"):
        go_by_todays_set(run)
    assert len(asked) == 1


def test_a_revision_that_is_gone_is_refused() -> None:
    rolled_out = changed(snapshots.statefulset(), "status/updateRevision", "web-new")
    cluster = cluster_of(rolled_out)
    for ordinal in (0, 1):
        pod = snapshots.pod(ordinal)
        pod["metadata"]["labels"]["controller-revision-hash"] = "web-new"
        cluster.put(resources.PODS, pod)
    run, _ = run_on(cluster)
    with pytest.raises(NeedsPerson, match="ControllerRevision web-new"):
        go_by_todays_set(run)


UID = "00000000-0000-4000-8000-000000000001"


def made_by_the_migration(replicas: int = 3) -> Raw:
    found: Raw = changed(scaled(replicas), "metadata/uid", UID)
    return found


def test_a_set_that_is_away_is_the_one_of_when_the_rollback_began_if_that_was_later() -> None:
    run, _ = run_on(cluster_of(made_by_the_migration()), snapshots.statefulset())
    run.made.add(UID)
    save_todays_set(run)
    cluster: Any = run.systems.client
    cluster.objects.pop((resources.STATEFULSETS.plural, "web"))
    go_by_todays_set(run)
    assert run.plan.original["spec"]["replicas"] == 3
    assert made_in(run.directory.journal.records()) == {UID}


def test_a_set_that_was_taken_away_after_the_rollback_began_is_as_it_was_then() -> None:
    run, _ = run_on(cluster_of(made_by_the_migration()))
    run.made.add(UID)
    save_todays_set(run)
    directory: Any = run.directory
    directory.records += intents(scaled(4))
    cluster: Any = run.systems.client
    cluster.objects.pop((resources.STATEFULSETS.plural, "web"))
    go_by_todays_set(run)
    assert run.plan.original["spec"]["replicas"] == 4


def test_a_set_of_somebody_else_is_not_saved_as_todays() -> None:
    run, _ = run_on(cluster_of(made_by_the_migration()))
    save_todays_set(run)
    assert run.directory.journal.records() == ()


# A set that somebody made again after the migration had ended ---------------------------


def ended(exit_code: int) -> tuple[Record, ...]:
    """Of a run that ended so, and the rollback that has begun now."""
    return (
        RunEnded(seq=0, time="", exit_code=exit_code, state=""),
        RunStarted(seq=1, time="", tool_version="0.1.0", arguments={}),
    )


def run_after(exit_code: int, cluster: MemoryCluster) -> tuple[Run, list[str]]:
    run, told = run_on(cluster)
    directory: Any = run.directory
    directory.records = ended(exit_code)
    return run, told


def taken_over_by(statefulset: Raw) -> MemoryCluster:
    """A cluster whose pods have that set for their controller."""
    cluster = cluster_of(statefulset)
    for ordinal in (0, 1):
        owner = {"kind": "StatefulSet", "name": "web", "uid": UID, "controller": True}
        pod = changed(snapshots.pod(ordinal), "metadata/ownerReferences", [owner])
        cluster.put(resources.PODS, pod)
    return cluster


def test_a_set_that_was_made_again_after_the_migration_had_ended_is_todays() -> None:
    run, told = run_after(0, taken_over_by(made_by_the_migration()))
    save_todays_set(run)
    go_by_todays_set(run)
    assert run.plan.original["spec"]["replicas"] == 3
    assert settled_set(run) is not None
    assert any("was made again since the migration" in words for words in told)
    # The next run knows it too, with the set away.
    assert made_in(run.directory.journal.records()) == {UID}


def test_a_set_that_was_made_again_before_the_migration_had_ended_is_not() -> None:
    run, _ = run_after(5, taken_over_by(made_by_the_migration()))
    save_todays_set(run)
    assert run.made == set()
    with pytest.raises(NeedsPerson, match="created the StatefulSet again"):
        settled_set(run)


@pytest.mark.parametrize("exit_code", [5, 6])
def test_a_rollback_that_ended_before_its_first_change_takes_no_heir_away(exit_code: int) -> None:
    cluster = taken_over_by(made_by_the_migration())
    run, _ = run_after(0, cluster)
    directory: Any = run.directory
    directory.records += (
        RunEnded(seq=2, time="", exit_code=exit_code, state=""),
        RunStarted(seq=3, time="", tool_version="0.1.0", arguments={}),
    )
    save_todays_set(run)
    assert run.made == {UID}


def test_after_a_rollbacks_first_change_a_set_that_was_made_again_is_no_heir() -> None:
    run, _ = run_after(0, taken_over_by(made_by_the_migration()))
    directory: Any = run.directory
    directory.records += intents(scaled(3))
    save_todays_set(run)
    assert run.made == set()


def test_a_rollback_that_has_only_set_policies_takes_no_heir_away() -> None:
    """It does that before all else, and may then wait for room until somebody stops it."""
    run, _ = run_after(0, taken_over_by(made_by_the_migration()))
    directory: Any = run.directory
    directory.records += (
        msgspec.structs.replace(intents(scaled(3))[0], action="set-policy-retain"),
    )
    save_todays_set(run)
    assert run.made == {UID}


def test_a_set_that_was_made_again_with_its_templates_in_another_order_is_no_other_one() -> None:
    made = made_by_the_migration()
    (data,) = made["spec"]["volumeClaimTemplates"]
    both = [data, changed(data, "metadata/name", "logs")]
    plan = plan_of(snapshots.healthy())
    original = changed(plan.original, "spec/volumeClaimTemplates", both)
    heir = changed(made, "spec/volumeClaimTemplates", both[::-1])
    assert not list(doubts_about_heir(replace(plan, original=original, replicas=()), heir, {}, {}))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("spec/selector", {"matchLabels": {"app": "other"}}, "it selects other pods"),
        ("spec/volumeClaimTemplates", [], "its claim templates are none"),
    ],
)
def test_a_set_that_was_made_again_as_another_one_is_refused(
    field: str, value: Any, words: str
) -> None:
    """Its pods mount what the templates of the backup do not make."""
    cluster = taken_over_by(changed(made_by_the_migration(), field, value))
    run, _ = run_after(0, cluster)
    with pytest.raises(NeedsPerson, match=words):
        save_todays_set(run)


@pytest.mark.parametrize(
    ("resource", "field", "value", "words"),
    [
        (resources.PODS, "metadata/ownerReferences", [], "pod web-1 is not its own"),
        (resources.CLAIMS, "spec/volumeName", "pvc-empty", "claim data-web-1 is not on the volume"),
    ],
    ids=["an orphan", "another volume"],
)
def test_a_set_that_does_not_hold_what_was_migrated_is_refused_without_harmful_advice(
    resource: Resource, field: str, value: Any, words: str
) -> None:
    cluster = taken_over_by(made_by_the_migration())
    name = "web-1" if resource is resources.PODS else "data-web-1"
    cluster.put(resource, changed(cluster.get(resource, name), field, value))
    run, _ = run_after(0, cluster)
    with pytest.raises(NeedsPerson, match=words) as refused:
        save_todays_set(run)
    assert "cascade" not in refused.value.resolution
    assert run.made == set()


def test_a_set_that_was_made_again_smaller_is_told_how_to_scale_it_back() -> None:
    cluster = taken_over_by(made_by_the_migration(1))
    cluster.objects.pop((resources.PODS.plural, "web-1"))
    run, _ = run_after(0, cluster)
    save_todays_set(run)
    with pytest.raises(NeedsPerson, match="scaled down since the backup"):
        go_by_todays_set(run)


def test_a_set_whose_fields_were_not_given_back_is_not_saved_as_todays() -> None:
    fields: Raw = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": FIELD_MANAGER, "operation": "Update", "fieldsType": "FieldsV1"}
    owned = changed(
        made_by_the_migration(), "metadata/managedFields", [entry | {"fieldsV1": fields}]
    )
    run, _ = run_on(cluster_of(owned))
    run.made.add(UID)
    save_todays_set(run)
    assert run.directory.journal.records() == ()
