"""Asks the person before the first change."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from csi_migration.model.errors import Stopped

if TYPE_CHECKING:
    from csi_migration.engine.start import Agree
    from csi_migration.model.plan import MigrationPlan


def agree_unless(*, yes: bool, question: str) -> Agree:
    """Ask on a terminal; scripts that call the tool as they always did are not asked."""

    def agree(plan: MigrationPlan) -> None:
        if yes or not sys.stdin.isatty():
            return
        what = f"{question} {plan.namespace}/{plan.statefulset} ({len(plan.replicas)} replicas)?"
        if not click.confirm(what, err=True):
            raise Stopped("Called off.", state="Nothing was changed.")

    return agree
