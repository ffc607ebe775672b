"""Which nodes take a pod: cordons, taints and tolerations, as the scheduler reads them."""

from __future__ import annotations

from collections.abc import Iterable

from csi_migration.model.objects import Raw

_KEEPING_OUT = ("NoSchedule", "NoExecute")
_CORDON: Raw = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def shut_by(node: Raw, tolerations: Iterable[Raw]) -> str:
    """Why the node takes no new pod with these tolerations, in words; empty if it does.

    (kubernetes: scheduler plugins nodeunschedulable and tainttoleration.)
    """
    known = list(tolerations)
    if node["spec"].get("unschedulable") and not _is_tolerated(_CORDON, known):
        return "cordoned"
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in _KEEPING_OUT and not _is_tolerated(taint, known):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"taint {taint['key']}{value}:{taint['effect']}"
    return ""


def _is_tolerated(taint: Raw, tolerations: Iterable[Raw]) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def tolerates(toleration: Raw, taint: Raw) -> bool:
    """Whether one toleration covers one taint (kubernetes: core/v1 Toleration.ToleratesTaint).

    Without an effect it covers every effect, without a key, which only Exists has, every taint.
    """
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    is_equal = (toleration.get("value") or "") == (taint.get("value") or "")
    return bool(toleration.get("key")) and is_equal
