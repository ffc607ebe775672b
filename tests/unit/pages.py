"""The pages that people read, as a terminal shows them.

`python -m tests.unit.pages` writes them anew into `tests/unit/pages/`; look at what
changed before you commit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from csi_migration.decide.catalogue import findings
from csi_migration.model.finding import Finding
from csi_migration.model.plan import Window
from csi_migration.report.findings import findings_text
from csi_migration.report.inventory import inventory_text
from csi_migration.report.plan import plan_text
from csi_migration.report.style import Paint
from tests.unit import inventorykit, test_plan
from tests.unit.snapshots import changed, healthy

FOLDER = Path(__file__).parent / "pages"
_WIDTHS = (80, 140)


def pages() -> Iterator[tuple[str, str]]:
    """Each page with the name of its file: ANSI sequences in those that end in `.ansi`."""
    for width, on in product(_WIDTHS, (False, True)):
        ending = f"{width}.{'ansi' if on else 'txt'}"
        paint = Paint(on=on)
        yield f"preflight-{ending}", findings_text(_troubled(), width=width, paint=paint)
        yield f"preflight-passed-{ending}", findings_text(_fine(), width=width, paint=paint)
        yield f"plan-{ending}", plan_text(test_plan.outline(), width=width, paint=paint)
        yield (
            f"inventory-{ending}",
            inventory_text(inventorykit.many(), width=width, paint=paint),
        )


def _fine() -> tuple[Finding, ...]:
    return findings(healthy())


def _troubled() -> tuple[Finding, ...]:
    """Something of each severity, with subjects and words of all lengths."""
    found = changed(healthy(), "statefulset/status/observedGeneration", 0)
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/StatefulSet:shop/web"}
    found = changed(found, "statefulset/metadata/annotations", marks)
    found = changed(found, "volumes/pvc-0/spec/mountOptions", ["noatime", "nodiratime"])
    found = changed(found, "claims/data-web-1/metadata/deletionTimestamp", "2026-01-01T00:00:00Z")
    request = replace(found.request, window=Window.RUN, max_unavailable=2)
    return findings(replace(found, request=request))


def write() -> None:
    """Keep the pages as they are now."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
