"""All checks, in the order in which preflight runs and prints them."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from csi_migration.decide import (
    checks_around,
    checks_carried,
    checks_claims,
    checks_datastores,
    checks_disks,
    checks_machines,
    checks_nodes,
    checks_owners,
    checks_pods,
    checks_server,
    checks_set,
    checks_volumes,
)
from csi_migration.decide.preflight import CHECKS, Check, blockers, findings

__all__ = ["CHECKS", "FAMILIES", "Check", "blockers", "checks_named", "findings"]

_MODULES = (
    checks_set,
    checks_pods,
    checks_owners,
    checks_around,
    checks_claims,
    checks_volumes,
    checks_carried,
    checks_nodes,
    checks_machines,
    checks_datastores,
    checks_disks,
    checks_server,
)
_ORDER = {module.__name__: place for place, module in enumerate(_MODULES)}

# Modules import each other's lookups, so the order of imports is not this one.
CHECKS.sort(key=lambda check: _ORDER[check.look.__module__])

FAMILIES: tuple[tuple[str, tuple[Check, ...]], ...] = tuple(
    (
        (module.__doc__ or "").strip(),
        tuple(check for check in CHECKS if check.look.__module__ == module.__name__),
    )
    for module in _MODULES
)
"""What each family of checks is about, and its checks."""


def checks_named(ids: Collection[str]) -> tuple[Check, ...]:
    """The checks of these ids.

    Raises:
        LookupError: there is no such check; the message names those meant perhaps.
    """
    known = {check.id: check for check in CHECKS}
    for name in ids:
        if name not in known:
            near = get_close_matches(name, known) or sorted(known)
            raise LookupError(f"there is no check {name!r}; there is {', '.join(near)}")
    return tuple(known[name] for name in ids)
