"""Attachments of one disk under two handles, as driver 3.7.3 was seen to handle them.

The old volume's attachment is held as a kubelet holds it that has not unmounted
yet: the node's status goes on to say `volumesInUse`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lab.waiting import until
from tests.lab.scene import Old, Scene


@contextmanager
def held(scene: Scene) -> Iterator[tuple[Old, str]]:
    """An old volume whose pod is gone but whose attachment is not, and the new
    volume for its disk, with the claim bound to it.
    """
    old = scene.old()
    scene.running_pod("old")
    with scene.delays("kubelet-user", unmount=600):
        until("pod old Ready again", lambda: scene.ready("old") and not scene.unlocked(old.path))
        scene.cluster.delete("Pod", "old", scene.namespace)
        until("the old writer's end", lambda: scene.unlocked(old.path))
        scene.delete("Pod", "old", gracePeriodSeconds=0)
        scene.delete("PersistentVolumeClaim", "data")
        scene.cluster.delete("PersistentVolume", old.volume)
        volume = scene.csi_volume(old.disk_id)
        scene.claim(volume)
        assert scene.attached(old.volume)
        yield old, volume


def let_go(scene: Scene, old: Old) -> None:
    """Have node-1 say that the old volume is unmounted, and wait for what follows."""
    status = scene.cluster.get("Node", "node-1")["status"]
    others = [name for name in status["volumesInUse"] if not name.endswith(f"^{old.path}")]
    assert others != status["volumesInUse"]
    patch = {"status": {"volumesInUse": others}}
    scene.cluster.patch("Node", "node-1", patch, subresource="status")
    until("the old volume gone", lambda: scene.phase(old.volume) == "")
    until("CNS has let go", lambda: not scene.registered(old.disk_id))


def test_on_the_same_node_the_disk_is_pulled_from_under_the_new_pod(scene: Scene) -> None:
    with held(scene) as (old, volume):
        scene.running_pod("new")
        assert scene.attached(volume)
        assert scene.attached(old.volume)
        assert scene.writers(old.path) == [old.volume, volume]
        assert scene.noted("io-errors") == []
        let_go(scene, old)
        until("the I/O error", lambda: bool(scene.noted("io-errors")))
        assert scene.attached(volume)
        until("pod new not Ready", lambda: not scene.ready("new"))
        assert scene.noted("second-writers") == []
    scene.delete("Pod", "new")
    until("the detach's failure", lambda: "not found in QueryVolume" in detach_error(scene, volume))
    scene.full_sync()
    scene.full_sync()
    until("the new volume detached", lambda: not scene.attachments(volume))


def detach_error(scene: Scene, volume: str) -> str:
    return scene.refusal(volume, "detachError")


def test_on_another_node_the_disk_is_not_attached(scene: Scene) -> None:
    with held(scene) as (old, volume):
        scene.pod("new", node="node-2")
        until("the refusal", lambda: "failed to attach disk" in scene.refusal(volume))
        assert scene.attached(old.volume)
        let_go(scene, old)
        until("another refusal", lambda: "CnsNotRegistered" in scene.refusal(volume))
        assert not scene.attached(volume)
        assert scene.writers(old.path) == [old.volume]
    scene.full_sync()
    scene.full_sync()
    until("pod new Ready", lambda: scene.ready("new"))
    assert scene.noted("second-writers") == []
