"""The inventory of a cluster, for people on one page and for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

from csi_migration.model.inventory import Inventory, SetRow, Verdict
from csi_migration.report.jsonlines import SCHEMA_VERSION, camel
from csi_migration.report.style import Paint
from csi_migration.report.wrapping import WIDTH, labelled

_PLAIN = Paint()
_TITLES = ("STATEFULSET", "VOLUMES", "SIZE", "CLASS", "READY", "VERDICT")
_GAP = "  "
_LOOK_FIRST = "Somebody may still need them: look before you delete any."
_UNSEEN = "A set that is away for a migration has no row: look before you delete any."
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def inventory_text(
    found: Inventory, *, width: int = WIDTH, paint: Paint = _PLAIN, wide: bool = False
) -> str:
    """One line for each set, the best verdict first; `wide` adds the command to type next."""
    rows = [_cells(row) for row in found.sets]
    widths = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    lines = [_line(_TITLES, widths, width)]
    for row, cells in zip(found.sets, rows, strict=True):
        line = _line(cells, widths, width)
        painted = _colour(row.verdict, paint)(row.verdict.value)
        lines.append(painted.join(line.rsplit(row.verdict.value, 1)))
        if wide:
            lines.append(f"    {row.next}\n")
    table = "".join(lines) if rows else ""
    parts = (table, _loose(found, width), _summary(found, width))
    return "\n".join(filter(None, parts))


def inventory_json(found: Inventory) -> str:
    """All of it as one JSON object."""
    sets = [camel(asdict(row)) | {"verdict": row.verdict.value} for row in found.sets]
    content = {
        "schemaVersion": SCHEMA_VERSION,
        "type": "inventory",
        "cluster": found.cluster,
        "csiClasses": found.csi_classes,
        "csiClass": found.csi_class,
        "sets": sets,
        "seesMigrations": found.sees_migrations,
        "looseVolumes": [camel(asdict(volume)) for volume in found.loose],
        "summary": {verdict.value: _count(found, verdict) for verdict in Verdict},
    }
    return json.dumps(content, ensure_ascii=False) + "\n"


def size(count: int) -> str:
    """Bytes for people, in whole units: `10 GiB`, `1.5 TiB`."""
    number, unit = float(count), 0
    while number >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004  binary units
        number, unit = number / 1024, unit + 1
    return f"{number:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"


def _cells(row: SetRow) -> tuple[str, ...]:
    told = row.left if row.verdict is Verdict.LEFT_OVER else row.findings
    reasons = f": {', '.join(told)}" if told else ""
    return (
        f"{row.namespace}/{row.name}",
        _volumes(row),
        size(row.size_bytes),
        row.intree_class or "<none>",
        f"{row.ready}/{row.replicas}",
        f"{row.verdict.value}{reasons}",
    )


def _volumes(row: SetRow) -> str:
    """`2`, `1+1 CSI`, `0, 3 scaled away`."""
    csi = f"+{row.csi} CSI" if row.csi else ""
    away = f", {row.scaled_away} scaled away" if row.scaled_away else ""
    released = f", {row.released} released" if row.released else ""
    return f"{row.in_tree}{csi}{away}{released}"


def _line(cells: tuple[str, ...], widths: list[int], width: int) -> str:
    """The last column is cut where the terminal ends: a line a set."""
    padded = [cell.ljust(wide) for cell, wide in zip(cells[:-1], widths, strict=False)]
    line = _GAP.join((*padded, cells[-1])).rstrip()
    return (line if len(line) <= width else f"{line[: width - 3]}...") + "\n"


def _loose(found: Inventory, width: int) -> str:
    volumes, warning = found.loose, _LOOK_FIRST if found.sees_migrations else _UNSEEN
    if not volumes:
        return ""
    by_namespace = Counter(volume.namespace or "(no claim)" for volume in volumes)
    told = ", ".join(f"{name} {count}" for name, count in sorted(by_namespace.items()))
    head = f"{len(volumes)} in-tree volumes belong to no StatefulSet: {told}."
    return labelled("", f"{head} {warning}", width=width)


def _summary(found: Inventory, width: int) -> str:
    counts = ", ".join(f"{_count(found, v)} {v.value}" for v in Verdict if _count(found, v))
    total = sum(row.in_tree for row in found.sets)
    head = f"{len(found.sets)} StatefulSets with {total} in-tree volumes: {counts or 'none'}."
    away = sum(row.scaled_away for row in found.sets)
    kept = f"{away} more are of replicas that were scaled away." if away else ""
    first = next((row.next for row in found.sets), "")
    classes = len(found.csi_classes)
    hint = f"The cluster has {classes} classes of the CSI driver: choose."
    words = (head, kept, "" if found.csi_class else hint)
    told = labelled("", " ".join(filter(None, words)), width=width)
    return told + (f"Next: {first}\n" if first else "")


def _count(found: Inventory, verdict: Verdict) -> int:
    return sum(row.verdict is verdict for row in found.sets)


def _colour(verdict: Verdict, paint: Paint) -> Callable[[str], str]:
    return {
        Verdict.UNDER_WAY: paint.warning,
        Verdict.READY: paint.good,
        Verdict.TO_ACCEPT: paint.warning,
        Verdict.PARTLY: paint.warning,
        Verdict.LEFT_OVER: paint.warning,
        Verdict.BLOCKED: paint.bad,
    }[verdict]
