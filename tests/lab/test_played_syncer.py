"""The driver's syncer in the lab, against what syncer 3.7.3 was seen to do and to miss."""

import time

from lab.waiting import until
from tests.lab.scene import PROVISIONER_IDENTITY, Scene

SYNCER, ATTACHER = "syncer-user", "external-attacher-user"


def test_a_new_volume_made_before_the_old_is_deleted_ends_up_unregistered(scene: Scene) -> None:
    old = scene.old()
    volume = scene.csi_volume(old.disk_id)
    until("the new volume Available", lambda: scene.phase(volume) == "Available")
    scene.delete_old(old.volume)
    until("CNS has let go", lambda: not scene.registered(old.disk_id))
    scene.claim(volume)
    scene.pod("writer")
    until("the refusal", lambda: "CnsNotRegistered" in scene.refusal(volume))
    scene.full_sync()
    assert not scene.registered(old.disk_id)
    scene.full_sync()
    assert scene.registered(old.disk_id)
    until("pod Ready", lambda: scene.ready("writer"))
    assert scene.attached(volume)


def test_a_volume_with_a_provisioners_identity_is_passed_over_in_silence(scene: Scene) -> None:
    passed_over, wanted = scene.registered_disk(), scene.registered_disk()
    identity = {PROVISIONER_IDENTITY: "1-2-csi.vsphere.vmware.com"}
    volume = scene.csi_volume(passed_over, **identity)
    until("the volume Available", lambda: scene.phase(volume) == "Available")
    # The syncer takes events in their order: once it has this one, it had the other.
    scene.csi_volume(wanted, claim="other")
    until("the other's registration", lambda: scene.registered(wanted))
    assert not scene.registered(passed_over)
    assert scene.events(volume) == []
    scene.full_sync()
    scene.full_sync()
    assert scene.registered(passed_over)


def test_a_volume_made_while_the_syncer_is_down_is_registered_by_the_second_sync(
    scene: Scene,
) -> None:
    disk_id = scene.registered_disk()
    until("the last sync's end", lambda: scene.last_sync() >= 0)
    before = scene.last_sync()
    with scene.without(SYNCER):
        volume = scene.csi_volume(disk_id)
        until("the volume Available", lambda: scene.phase(volume) == "Available")
    until("the first sync", lambda: scene.last_sync() == before + 1)
    assert not scene.registered(disk_id)
    scene.full_sync()
    assert scene.registered(disk_id)


def test_a_swap_while_the_syncer_is_down_leaves_registration_and_migration_object(
    scene: Scene,
) -> None:
    old = scene.old()
    scene.running_pod("old")
    scene.delete_pod("old", old.volume)
    with scene.without(SYNCER):
        scene.delete_old(old.volume)
        volume = scene.csi_volume(old.disk_id)
        scene.claim(volume)
        scene.running_pod("new")
    assert scene.writers(old.path) == [old.volume, volume]
    for _ in range(2):
        scene.full_sync()
        assert scene.registered(old.disk_id)
        assert scene.migration(old.path) is not None
    scene.cluster.delete("CnsVSphereVolumeMigration", old.disk_id)


def test_a_leftover_migration_object_has_the_attacher_publish_again_and_again(scene: Scene) -> None:
    old = scene.old()
    scene.delete_old(old.volume)
    until("the migration object gone", lambda: scene.migration(old.path) is None)
    volume = scene.csi_volume(old.disk_id)
    scene.claim(volume)
    scene.running_pod("writer")
    (attachment,) = [one["metadata"]["name"] for one in scene.attachments(volume)]
    with scene.delays(ATTACHER, attacher_reconcile=0.5):
        leave_behind(scene, old.path, old.disk_id)
        until("a mismatch", lambda: bool(mismatches(scene, attachment)))
        scene.cluster.delete("CnsVSphereVolumeMigration", old.disk_id)
        # One more may be on its way.
        until("no more of them", lambda: is_quiet(scene, attachment))


def leave_behind(scene: Scene, path: str, disk_id: str) -> None:
    spec = {"volumeid": disk_id, "volumepath": path, "protectvolumefromvmdelete": True}
    body = {"apiVersion": "cns.vmware.com/v1alpha1", "kind": "CnsVSphereVolumeMigration"}
    scene.create({**body, "metadata": {"name": disk_id}, "spec": spec})


def is_quiet(scene: Scene, attachment: str) -> bool:
    """For three times as long as the attacher takes from one to the next."""
    seen = mismatches(scene, attachment)
    time.sleep(1.5)
    return mismatches(scene, attachment) == seen


def mismatches(scene: Scene, attachment: str) -> list[str]:
    return [line for line in scene.said(ATTACHER, "do not match") if attachment in line]


def test_an_unknown_disk_is_told_in_an_event(scene: Scene) -> None:
    volume = scene.csi_volume("00000000-0000-4000-8000-000000000000")
    failed = "static volume provisioning failed"
    until("the event", lambda: failed in dict(scene.events(volume)))
    assert "Failed to create volume" in dict(scene.events(volume))[failed]


def test_deleting_an_unclaimed_csi_volume_crashes_syncer_and_attacher(scene: Scene) -> None:
    disk_id = scene.registered_disk()
    volume = scene.csi_volume(disk_id, claim="")
    until("the registration", lambda: scene.registered(disk_id))
    parts = [scene.lab.facts.part(name) for name in (SYNCER, ATTACHER)]
    try:
        scene.delete("PersistentVolume", volume)
        until("the crash of both", lambda: not any(part.alive for part in parts))
    finally:
        scene.lab.restart(SYNCER)
        scene.lab.restart(ATTACHER)
    assert scene.registered(disk_id)


def test_a_sync_is_run_only_if_its_id_is_the_last_one_plus_one(scene: Scene) -> None:
    # A syncer that was restarted begins with one of its own.
    scene.full_sync()
    last = scene.last_sync()
    scene.request_sync(last + 2)
    until("the refusal", lambda: f"{last + 2} is invalid" in rejections(scene))
    assert scene.last_sync() == last
    scene.full_sync()
    assert scene.last_sync() == last + 1


def rejections(scene: Scene) -> str:
    failed = "TriggerCsiFullSyncFailed"
    events = scene.events("csifullsync")
    return " ".join(message for reason, message in events if reason == failed)
