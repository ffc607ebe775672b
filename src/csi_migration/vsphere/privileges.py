"""What the tool's user must be allowed to do in vCenter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from csi_migration.vsphere._bindings import moid, vim
from csi_migration.vsphere.inventory import datacenters, properties_of
from csi_migration.vsphere.session import Session

DATASTORE = ("Datastore.FileManagement", "Datastore.Browse")
ROOT = ("Cns.Searchable",)
DATACENTER = ("System.Read",)

# The types of the objects that privileges are needed on, by their ids' prefix.
_KINDS = {"datastore": "Datastore", "datacenter": "Datacenter", "group": "Folder"}


def needed(session: Session, datastore_ids: Iterable[str]) -> dict[str, list[str]]:
    """Managed object ids and the privileges that a run needs on each.

    System.Read is asked for on every datacenter in sight: a VM that the user
    cannot see might hold a disk unnoticed.
    """
    checks = {each: list(DATASTORE) for each in datastore_ids}
    checks |= {center.id: list(DATACENTER) for center in datacenters(session)}
    return checks | {moid(session.content.rootFolder): list(ROOT)}


def missing(session: Session, checks: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """The privileges that the session's user lacks, each with its object's name."""
    return [
        (_name(session, thing), privilege)
        for at, privileges in checks.items()
        for thing in [_thing(session, at)]
        for privilege in _lacking(session, thing, privileges)
    ]


def _lacking(session: Session, thing: Any, privileges: list[str]) -> list[str]:
    key = properties_of(session, session.content.sessionManager, ["currentSession"])
    granted = session.read(
        lambda: session.content.authorizationManager.HasPrivilegeOnEntities(
            [thing], key["currentSession"].key, privileges
        ),
        method="HasPrivilegeOnEntities",
        subject=moid(thing),
    )
    held = {each.privId for entry in granted for each in entry.privAvailability if each.isGranted}
    return [privilege for privilege in privileges if privilege not in held]


def _thing(session: Session, at: str) -> Any:
    if at == moid(session.content.rootFolder):
        return session.content.rootFolder
    return session.managed(getattr(vim, _KINDS[at.partition("-")[0]]), at)


def _name(session: Session, thing: Any) -> str:
    name: str = properties_of(session, thing, ["name"])["name"]
    return name
