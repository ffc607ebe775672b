"""What an undisturbed migration has to come to, since all others are compared with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.client import Object
from tests.torture.endstate import HELD, KEPT, State

# Those of the volume plugin and of the lab's own parts.
_OF_THE_STORAGE = ("kubernetes.io/", "lab/")


def misplaced(migrated: State) -> Iterator[str]:
    """Claims that are not on a CSI volume of the one disk that was theirs, registered, and
    protected from its VM's deletion.
    """
    claims = [name.split()[1] for name in migrated if name.startswith("PersistentVolumeClaim ")]
    for claim in claims:
        disk = migrated.get(f"FirstClassDisk fcd-of-{claim}", {}).get("spec", {})
        volume = migrated.get(f"PersistentVolume pv-of-{claim}", {}).get("spec", {})
        seen = {
            "protected": disk.get(KEPT) is True,
            "on its own disk": volume.get("csi", {}).get("volumeHandle") == f"fcd-of-{claim}",
            "in CNS": f"CnsVolume fcd-of-{claim}" in migrated,
        }
        yield from (f"{claim} is not {what}" for what, is_so in seen.items() if not is_so)


def lost(original: State, migrated: State) -> Iterator[str]:
    """Labels, annotations and mount options that a person gave and that are gone."""
    for name, item in original.items():
        if name.startswith((*HELD, "Pod ")):
            gone = set(_given(item)) - set(_given(migrated.get(name, {})))
            yield from (f"{name} has lost {each}" for each in sorted(gone))


def _given(item: Object) -> Iterable[str]:
    metadata, spec = item.get("metadata", {}), item.get("spec", {})
    yield from (f"label {each}" for each in metadata.get("labels", {}).items())
    for key, value in metadata.get("annotations", {}).items():
        if not any(part in key for part in _OF_THE_STORAGE):
            yield f"annotation {key}: {value}"
    yield from (f"mount option {each}" for each in spec.get("mountOptions", ()))
