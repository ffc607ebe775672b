"""A catalog may hold disks that vCenter can't read; whose they are is known only sometimes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.vsphere.disks import Disks
from csi_migration.vsphere.errors import Faulted, PermissionDenied

PATHS = {name: DiskPath("ds", f"kubevols/{name}.vmdk") for name in ("ours", "other", "third")}


def file_of(name: str) -> DiskFile:
    return DiskFile(PATHS[name], "datastore-7", "/DC0", 0)


def denied() -> PermissionDenied:
    return PermissionDenied("denied", privilege="System.Read", entity="Datastore:datastore-7")


def broken() -> Faulted:
    return Faulted("FileFault", fault="vim.fault.FileFault", details="the sidecar is gone")


class Catalog:
    """FCDs by id; `refusals` are what the next looks at each are answered with."""

    def __init__(self, *names: str) -> None:
        self.disks = {f"fcd-{name}": PATHS[name] for name in names}
        self.refusals: dict[str, list[Exception]] = {}
        self.calls: list[str] = []
        manager = SimpleNamespace(
            ListVStorageObject=self._list, RetrieveVStorageObject=self._retrieve
        )
        session: Any = SimpleNamespace(
            host="vc",
            content=SimpleNamespace(vStorageObjectManager=manager),
            managed=lambda _kind, name: name,
            read=self._read,
        )
        self.seen = Disks(session)

    def _read(self, call: Callable[[], Any], *, method: str, subject: str, **_: object) -> Any:
        self.calls.append(f"{method} {subject}")
        return call()

    def _list(self, _datastore: str) -> list[Any]:
        return [SimpleNamespace(id=each) for each in self.disks]

    def _retrieve(self, wanted: Any, _datastore: str) -> Any:
        if waiting := self.refusals.get(wanted.id):
            raise waiting.pop(0)
        return SimpleNamespace(
            config=SimpleNamespace(
                id=SimpleNamespace(id=wanted.id),
                name="n",
                backing=SimpleNamespace(filePath=str(self.disks[wanted.id])),
                capacityInMB=1,
                keepAfterDeleteVm=True,
                changedBlockTrackingEnabled=False,
                consumerId=[],
            )
        )


def test_a_disk_that_was_refused_once_is_found_by_who_must_know() -> None:
    catalog = Catalog("other", "ours")
    catalog.refusals["fcd-ours"] = [denied()]
    found = catalog.seen.find_surely(file_of("ours"))
    assert found is not None
    assert found.id == "fcd-ours"


def test_a_broken_disk_of_others_is_nothing_to_one_that_is_found() -> None:
    catalog = Catalog("other", "ours")
    catalog.refusals["fcd-other"] = [broken() for _ in range(9)]
    assert catalog.seen.find_surely(file_of("ours")) is not None
    assert len(catalog.refusals["fcd-other"]) == 8


@pytest.mark.parametrize("refused", [denied, broken])
def test_a_disk_that_may_be_the_broken_one_is_not_called_unknown(
    refused: Callable[[], Exception],
) -> None:
    catalog = Catalog("other", "ours")
    catalog.refusals["fcd-ours"] = [refused() for _ in range(9)]
    with pytest.raises(type(refused())) as error:
        catalog.seen.find_surely(file_of("ours"))
    assert "it may be that of [ds] kubevols/ours.vmdk" in str(error.value.details)  # type: ignore[attr-defined]


def test_a_disk_is_unknown_once_the_whole_catalog_was_read() -> None:
    catalog = Catalog("other")
    catalog.refusals["fcd-other"] = [broken()]
    assert catalog.seen.find_surely(file_of("ours")) is None


def test_who_only_asks_gets_no_error_and_no_second_listing() -> None:
    """Each replica asks; the broken disks of others must not cost it a call."""
    catalog = Catalog("other")
    catalog.refusals["fcd-other"] = [broken() for _ in range(9)]
    for name in ("ours", "third"):
        assert catalog.seen.find(file_of(name)) is None
    assert catalog.calls == [
        "ListVStorageObject datastore-7",
        "RetrieveVStorageObject fcd-other",
    ]


def test_only_what_could_not_be_read_is_read_again() -> None:
    catalog = Catalog("other", "third", "ours")
    catalog.refusals["fcd-ours"] = [denied()]
    assert catalog.seen.find(file_of("ours")) is None
    catalog.calls.clear()
    assert catalog.seen.find_surely(file_of("ours")) is not None
    assert set(catalog.calls) == {"RetrieveVStorageObject fcd-ours"}


def test_a_disk_is_found_on_one_datastore_though_another_refuses() -> None:
    catalog = Catalog("ours")
    stores = [SimpleNamespace(id="datastore-6"), SimpleNamespace(id="datastore-7")]
    catalog.seen._datastores = stores  # type: ignore[assignment]
    catalog.refusals["fcd-ours"] = [denied()]
    assert catalog.seen.anywhere("fcd-ours") is not None
