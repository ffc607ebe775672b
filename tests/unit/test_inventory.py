"""The inventory: from lists of a cluster to one line for each StatefulSet."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.decide.inventory import inventory_of
from csi_migration.decide.inventory_lists import Lists
from csi_migration.engine.inventory_keeping import Sharing, slim, slim_pod, slim_volume
from csi_migration.model.inventory import Verdict
from csi_migration.report.inventory import inventory_json, inventory_text
from tests.unit import snapshots
from tests.unit.inventorykit import Raw, lists
from tests.unit.snapshots import changed, healthy


def test_a_healthy_set_is_ready_and_its_next_command_is_preflight() -> None:
    (row,) = inventory_of(lists()).sets

    assert (row.namespace, row.name, row.verdict, row.findings) == (
        "shop",
        "web",
        Verdict.READY,
        (),
    )
    assert (row.in_tree, row.csi, row.size_bytes, row.ready, row.replicas) == (2, 0, 2 << 30, 2, 2)
    assert row.next == (
        "statefulset-csi-migration-tool preflight --kubeconfig admin.conf --sts-namespace shop "
        "--sts-name web --intree-storageclass standard --csi-storageclass standard-rwo"
    )


def test_a_blocker_is_named() -> None:
    owned = changed(snapshots.statefulset(), "metadata/finalizers", ["shop.example/own"])
    (row,) = inventory_of(lists(statefulsets=(owned,))).sets

    assert (row.verdict, row.findings) == (Verdict.BLOCKED, ("set-finalizers",))


def test_what_needs_acceptance_is_named() -> None:
    marks = {"argocd.argoproj.io/tracking-id": "x"}
    marked = changed(snapshots.statefulset(), "metadata/annotations", marks)
    (row,) = inventory_of(lists(statefulsets=(marked,))).sets

    assert (row.verdict, row.findings) == (Verdict.TO_ACCEPT, ("gitops",))


def test_a_set_that_is_partly_on_csi_is_to_be_resumed() -> None:
    half = healthy().volumes | {"pvc-1": snapshots.csi_volume("pvc-1", "fcd-1")}
    (row,) = inventory_of(lists(volumes=half)).sets

    assert (row.verdict, row.in_tree, row.csi) == (Verdict.PARTLY, 1, 1)
    assert "rolling-migration resume" in row.next
    assert "if there is a working directory" in row.next
    assert " preflight --kubeconfig admin.conf " in row.next


def test_a_template_that_was_on_csi_from_the_start_makes_no_set_partly_migrated() -> None:
    logs = changed(snapshots.statefulset()["spec"]["volumeClaimTemplates"][0], "metadata/name", "l")
    templates = snapshots.statefulset()["spec"]["volumeClaimTemplates"]
    both = changed(snapshots.statefulset(), "spec/volumeClaimTemplates", [*templates, logs])
    second = [
        changed(
            changed(snapshots.claim(o), "metadata/name", f"l-web-{o}"), "spec/volumeName", f"l{o}"
        )
        for o in range(2)
    ]
    on_csi = {f"l{o}": snapshots.csi_volume(f"l{o}", f"fcd-l{o}") for o in range(2)}
    (row,) = inventory_of(
        lists(
            statefulsets=(both,),
            claims=(*healthy().claims.values(), *second),
            volumes=healthy().volumes | on_csi,
        )
    ).sets

    assert (row.in_tree, row.csi, row.verdict) == (2, 2, Verdict.BLOCKED)
    assert "volumes-in-tree" in row.findings
    assert "resume" not in row.next


def test_a_set_scaled_to_nothing_keeps_its_volumes() -> None:
    asleep = changed(snapshots.statefulset(), "spec/replicas", 0)
    found = inventory_of(lists(statefulsets=(asleep,), pods=()))

    (row,) = found.sets
    assert (row.in_tree, row.scaled_away, row.replicas, row.size_bytes) == (0, 2, 0, 2 << 30)
    assert "replicas-ready" in row.findings
    assert found.loose == ()
    told = inventory_text(found, width=140)
    assert "0, 2 scaled away" in told
    assert "2 more are of replicas that were scaled away." in told
    assert json.loads(inventory_json(found))["sets"][0]["scaledAway"] == 2


@pytest.mark.parametrize("start", [0, 1])
def test_volumes_of_replicas_that_are_no_more_are_told_apart(start: int) -> None:
    spec = snapshots.statefulset()["spec"] | {"replicas": 1, "ordinals": {"start": start}}
    smaller = changed(snapshots.statefulset(), "spec", spec)
    found = inventory_of(lists(statefulsets=(smaller,)))

    (row,) = found.sets
    assert (row.in_tree, row.scaled_away, row.replicas) == (1, 1, 1)
    assert found.loose == ()


def test_a_migrated_set_with_volumes_of_replicas_scaled_away_is_not_to_be_resumed() -> None:
    smaller = changed(snapshots.statefulset(), "spec/replicas", 1)
    moved = healthy().volumes | {"pvc-0": snapshots.csi_volume("pvc-0", "fcd-0")}
    (row,) = inventory_of(lists(statefulsets=(smaller,), volumes=moved)).sets

    assert (row.in_tree, row.csi, row.scaled_away) == (0, 1, 1)
    assert (row.verdict, row.findings, row.left) == (Verdict.LEFT_OVER, (), ("pvc-1",))
    assert row.next == "kubectl get persistentvolumes pvc-1"


def test_a_set_that_is_on_csi_with_released_volumes_says_which_are_left() -> None:
    on_csi = {f"csi-{o}": snapshots.csi_volume(f"csi-{o}", f"fcd-{o}") for o in range(2)}
    claims = tuple(changed(snapshots.claim(o), "spec/volumeName", f"csi-{o}") for o in range(2))
    found = inventory_of(lists(claims=claims, volumes=healthy().volumes | on_csi))

    (row,) = found.sets
    assert (row.in_tree, row.csi, row.released) == (0, 2, 2)
    assert row.verdict is Verdict.LEFT_OVER
    assert "left over: pvc-0, pvc-1" in inventory_text(found, width=140)


def test_a_set_whose_migration_has_not_ended_is_to_be_resumed_though_it_looks_ready() -> None:
    (row,) = inventory_of(lists(unended=frozenset({("shop", "web")}))).sets

    assert (row.verdict, row.findings) == (Verdict.UNDER_WAY, ())
    assert "rolling-migration resume --working-directory DIRECTORY" in row.next
    assert "--kubeconfig admin.conf --sts-namespace shop --sts-name web" in row.next


def test_a_set_with_nothing_in_tree_any_more_is_there_until_its_migration_has_ended() -> None:
    on_csi = {f"pvc-{o}": snapshots.csi_volume(f"pvc-{o}", f"fcd-{o}") for o in range(2)}
    of_web = frozenset({("shop", "web")})

    assert inventory_of(lists(volumes=on_csi)).sets == ()
    (row,) = inventory_of(lists(volumes=on_csi, unended=of_web)).sets
    assert (row.verdict, row.in_tree, row.csi) == (Verdict.UNDER_WAY, 0, 2)


def test_a_set_that_is_away_for_its_migration_has_a_row_by_its_volumes_names() -> None:
    moved = healthy().volumes | {"pvc-1": snapshots.csi_volume("pvc-1", "fcd-1")}
    away = lists(statefulsets=(), volumes=moved, unended=frozenset({("shop", "web")}))
    found = inventory_of(away)

    (row,) = found.sets
    assert (row.namespace, row.name, row.verdict) == ("shop", "web", Verdict.UNDER_WAY)
    assert (row.in_tree, row.csi, row.ready, row.replicas) == (1, 1, 2, 2)
    assert (row.intree_class, row.size_bytes) == ("standard", 1 << 30)
    assert "rolling-migration resume" in row.next
    assert found.loose == ()
    assert "Next: statefulset-csi-migration-tool rolling-migration resume" in inventory_text(found)


def test_a_volume_of_a_set_that_is_there_is_not_one_of_a_set_that_is_away() -> None:
    named = changed(snapshots.statefulset(), "metadata/name", "my-web")
    claims = tuple(
        changed(snapshots.claim(o), "metadata/name", f"data-my-web-{o}") for o in range(2)
    )
    of_web = frozenset({("shop", "web")})
    found = inventory_of(lists(statefulsets=(named,), claims=claims, unended=of_web))

    by_name = {row.name: row for row in found.sets}
    assert (by_name["my-web"].in_tree, by_name["web"].in_tree) == (2, 0)
    both = frozenset({("shop", "web"), ("shop", "my-web")})
    apart = inventory_of(lists(statefulsets=(), claims=claims, unended=both))
    assert [(row.name, row.in_tree) for row in apart.sets] == [("my-web", 2), ("web", 0)]


def test_a_set_that_is_away_has_no_row_where_backups_cannot_be_seen() -> None:
    found = inventory_of(lists(statefulsets=()))

    assert (found.sets, found.sees_migrations, len(found.loose)) == ((), False, 2)
    assert "away for a migration has no row" in inventory_text(found, width=140)
    seen = inventory_of(lists(statefulsets=(), unended=frozenset()))
    assert "Somebody may still need them" in inventory_text(seen, width=140)


def test_a_volume_whose_claim_is_gone_is_still_of_its_set() -> None:
    found = inventory_of(lists(claims=(snapshots.claim(0),)))

    (row,) = found.sets
    assert (row.in_tree, row.released, row.verdict) == (1, 1, Verdict.BLOCKED)
    assert found.loose == ()
    assert "1, 1 released" in inventory_text(found)


def listed(field: str, items: list[Raw]) -> Lists:
    by_name = {item["metadata"]["name"]: item for item in items}
    return lists(**{field: by_name if field == "volumes" else tuple(items)})


def kept(item: Raw, how: Any) -> Raw:
    found: Raw = Sharing().shared(how(item))
    return found


@pytest.mark.parametrize(
    ("field", "path", "value", "check"),
    [
        ("claims", "metadata/finalizers", ["shop.example/own"], "volume-finalizers"),
        ("claims", "metadata/deletionTimestamp", "2026-01-01T00:00:00Z", "claims-bound"),
        ("claims", "spec/accessModes", ["ReadWriteMany"], "access-modes"),
        ("claims", "status/capacity/storage", "2Gi", "claims-settled"),
        ("claims", "status/phase", "Lost", "claims-bound"),
        ("pods", "status/conditions/0/status", "False", "replicas-ready"),
        ("pods", "metadata/ownerReferences", [], "pod-owners"),
        ("pods", "metadata/finalizers", ["shop.example/own"], "pod-finalizers"),
        ("volumes", "spec/accessModes", ["ReadWriteMany"], "access-modes"),
        ("volumes", "spec/vsphereVolume/volumePath", "nowhere", "volume-paths"),
        ("volumes", "spec/storageClassName", "other", "volumes-class"),
    ],
)
def test_the_checks_say_the_same_of_what_is_kept_of_an_object(
    field: str, path: str, value: Any, check: str
) -> None:
    make, how = {
        "claims": (snapshots.claim, slim),
        "pods": (snapshots.pod, slim_pod),
        "volumes": (snapshots.volume, slim_volume),
    }[field]
    items = [make(0), changed(make(1), path, value)]
    whole, slimmed = listed(field, items), listed(field, [kept(item, how) for item in items])

    (row,) = inventory_of(whole).sets
    assert inventory_of(slimmed).sets == (row,)
    assert check in row.findings


def test_a_set_without_in_tree_volumes_is_left_out() -> None:
    done = {f"pvc-{o}": snapshots.csi_volume(f"pvc-{o}", f"fcd-{o}") for o in range(2)}

    assert inventory_of(lists(volumes=done)).sets == ()


def test_with_several_classes_the_person_chooses() -> None:
    second = snapshots.storage_class("fast", "csi.vsphere.vmware.com")
    (row,) = inventory_of(lists(classes=healthy().classes | {"fast": second})).sets

    assert row.csi_class == ""
    assert row.next.endswith("--csi-storageclass CSI_STORAGECLASS")


def with_second_class(default: str) -> dict[str, Raw]:
    """Another CSI class, and the mark of a default on the one named."""
    classes = healthy().classes | {
        "fast": snapshots.storage_class("fast", "csi.vsphere.vmware.com"),
        "standard-rwo": snapshots.storage_class("standard-rwo", "csi.vsphere.vmware.com"),
    }
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    return classes | {default: changed(classes[default], "metadata/annotations", mark)}


def test_of_several_classes_the_default_one_is_taken() -> None:
    found = inventory_of(lists(classes=with_second_class("standard-rwo")))

    assert (found.csi_class, found.sets[0].csi_class) == ("standard-rwo", "standard-rwo")
    assert found.sets[0].next.endswith("--csi-storageclass standard-rwo")
    assert "choose" not in inventory_text(found)


def test_without_a_default_csi_class_nothing_is_said_of_the_class() -> None:
    found = inventory_of(lists(classes=with_second_class("standard")))

    assert (found.csi_class, found.sets[0].verdict) == ("", Verdict.READY)
    assert "The cluster has 2 classes of the CSI driver: choose." in inventory_text(
        found, width=140
    )


def test_a_cluster_without_a_csi_class_has_nothing_ready() -> None:
    (row,) = inventory_of(lists(classes={"standard": healthy().classes["standard"]})).sets

    assert (row.verdict, row.findings) == (Verdict.BLOCKED, ("classes",))


def test_a_volume_under_the_name_to_come_is_seen() -> None:
    taken = {"pvc-0-csi": snapshots.csi_volume("pvc-0-csi", "fcd-9")}
    (row,) = inventory_of(lists(volumes=healthy().volumes | taken)).sets

    assert row.findings == ("volume-names",)


def without_a_class(**fields: Any) -> Lists:
    return lists(
        claims=tuple(changed(snapshots.claim(o), "spec/storageClassName", "") for o in range(2)),
        volumes={
            f"pvc-{o}": changed(snapshots.volume(o), "spec/storageClassName", None)
            for o in range(2)
        },
        **fields,
    )


def test_for_volumes_without_a_class_the_clusters_own_one_is_to_be_given() -> None:
    (row,) = inventory_of(without_a_class()).sets

    assert (row.intree_class, row.verdict, row.findings) == (
        "",
        Verdict.TO_ACCEPT,
        ("volumes-class",),
    )
    assert "--intree-storageclass standard --csi-storageclass standard-rwo" in row.next


def test_without_any_in_tree_class_the_command_has_a_placeholder() -> None:
    classes = {"standard-rwo": healthy().classes["standard-rwo"]}
    (row,) = inventory_of(without_a_class(classes=classes)).sets

    assert (row.verdict, row.findings) == (Verdict.TO_ACCEPT, ("classes", "volumes-class"))
    assert "--intree-storageclass INTREE_STORAGECLASS --csi" in row.next


def test_volumes_of_no_set_are_counted_by_namespace() -> None:
    other = changed(snapshots.volume(9), "spec/claimRef/name", "data-other-0")
    loose = healthy().volumes | {"pvc-9": other}
    found = inventory_of(lists(volumes=loose))

    assert [volume.name for volume in found.loose] == ["pvc-9"]
    assert "1 in-tree volumes belong to no StatefulSet: shop 1." in inventory_text(found)
    assert "look before you delete any." in inventory_text(found, width=140)
    elsewhere = inventory_of(lists(volumes=loose, namespace="other"))
    assert elsewhere.loose == ()


def test_a_second_volume_on_a_disk_is_seen_across_namespaces() -> None:
    other = changed(snapshots.volume(0), "metadata/name", "pvc-twin")
    twins = healthy().volumes | {"pvc-twin": other}
    (row,) = inventory_of(lists(volumes=twins)).sets

    assert row.findings == ("volume-paths",)


ANY_VOLUME = st.tuples(
    st.sampled_from(["data", "log", "data-web"]),
    st.sampled_from(["web", "web-1", "gone"]),
    st.integers(0, 4),
    st.sampled_from(["in-tree", "csi"]),
    st.sampled_from(["held", "claim gone", "no claim"]),
)


@given(
    volumes=st.lists(ANY_VOLUME, max_size=12, unique_by=lambda each: each[:3]),
    sets=st.dictionaries(st.sampled_from(["web", "web-1"]), st.integers(0, 3)),
    start=st.integers(0, 2),
)
def test_every_in_tree_volume_is_in_one_row_or_of_no_set(
    volumes: list[tuple[str, str, int, str, str]], sets: dict[str, int], start: int
) -> None:
    def statefulset(name: str, replicas: int) -> Raw:
        made = changed(snapshots.statefulset(), "metadata/name", name)
        template = made["spec"]["volumeClaimTemplates"][0]
        both = [changed(template, "metadata/name", one) for one in ("data", "log")]
        spec = {"replicas": replicas, "ordinals": {"start": start}, "volumeClaimTemplates": both}
        found: Raw = changed(made, "spec", made["spec"] | spec)
        return found

    held, there, of_sets, of_nobody = [], {}, 0, set()
    for number, (template, name, ordinal, kind, binding) in enumerate(volumes):
        claim = f"{template}-{name}-{ordinal}"
        volume = changed(snapshots.volume(number), "spec/claimRef/name", claim)
        if binding == "no claim":
            volume = changed(volume, "spec/claimRef", None)
        if kind == "csi":
            volume = snapshots.csi_volume(f"pvc-{number}", f"fcd-{number}")
        if binding == "held":
            named = changed(snapshots.claim(number), "metadata/name", claim)
            held.append(named)
        there[f"pvc-{number}"] = volume
        is_known = name in sets and template != "data-web" and binding != "no claim"
        of_sets += is_known and kind == "in-tree"
        if kind == "in-tree" and not is_known:
            of_nobody.add(f"pvc-{number}")
    made = tuple(statefulset(name, replicas) for name, replicas in sets.items())
    found = inventory_of(lists(statefulsets=made, claims=tuple(held), volumes=there))

    told = [row.in_tree + row.scaled_away + row.released for row in found.sets]
    assert (sum(told), {one.name for one in found.loose}) == (of_sets, of_nobody)
    assert 0 not in told
