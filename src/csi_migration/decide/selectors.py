"""Label selectors, as the API machinery reads them."""

from __future__ import annotations

from csi_migration.model.objects import Raw


def matches(selector: Raw, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector selects these labels; an empty one selects all."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        expression_holds(expression, labels) for expression in expressions
    )


def expression_holds(expression: Raw, labels: dict[str, str]) -> bool:
    """Whether one requirement holds; node selectors have Gt and Lt besides."""
    value = labels.get(expression["key"])
    values = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "Gt" | "Lt":
            return _compares(expression["operator"], value, values)
        case _:
            return value is None


def _compares(operator: str, value: str | None, values: list[str]) -> bool:
    try:
        found, limit = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return found > limit if operator == "Gt" else found < limit


def node_fits(affinity: Raw | None, labels: dict[str, str]) -> bool:
    """Whether a volume with this nodeAffinity can be used on a node with these labels.

    (component-helpers: storage/volume.CheckNodeAffinity.)
    """
    terms = ((affinity or {}).get("required") or {}).get("nodeSelectorTerms")
    if terms is None:
        return True
    return any(
        all(expression_holds(one, labels) for one in term.get("matchExpressions") or [])
        for term in terms
    )
