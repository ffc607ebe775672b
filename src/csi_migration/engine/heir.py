"""A StatefulSet that somebody made again after the migration had ended: it lives on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from csi_migration.decide.todays_set import doubts_about_heir
from csi_migration.journal.record import Record, RunEnded, RunStarted
from csi_migration.kube import Client, resources
from csi_migration.model.errors import ExitCode, NeedsPerson
from csi_migration.model.objects import Raw, by_name, uid_of
from csi_migration.model.plan import MigrationPlan


def follows_an_end(records: Sequence[Record]) -> bool:
    """Whether the run before the last one that began had reached its goal."""
    runs = pairwise(records)
    befores = [before for before, record in runs if isinstance(record, RunStarted)]
    before = befores[-1] if befores else None
    return isinstance(before, RunEnded) and before.exit_code == ExitCode.DONE


def is_heir(client: Client, plan: MigrationPlan, statefulset: Raw) -> bool:
    """Whether what was migrated is this set's now.

    Raises:
        KubernetesError: its pods or claims could not be read.
    """
    return not _doubts(client, plan, statefulset)


def require_heir(client: Client, plan: MigrationPlan, statefulset: Raw) -> None:
    """See that what was migrated is this set's now.

    Raises:
        NeedsPerson: it is not.
        KubernetesError: its pods or claims could not be read.
    """
    if doubts := _doubts(client, plan, statefulset):
        raise NeedsPerson(
            f"somebody else created the StatefulSet again (uid {uid_of(statefulset)}), and what "
            f"was migrated is not all its own: {'; '.join(doubts)}",
            resolution="See that it runs all its pods, on the claims that they had, and run "
            "`rollback` again: it goes by the set of today. Claims that were made anew have "
            "no in-tree volume to go back to.",
        )


def _doubts(client: Client, plan: MigrationPlan, statefulset: Raw) -> tuple[str, ...]:
    pods = by_name(client.list(resources.PODS, plan.namespace, labels=plan.selector))
    names = [claim.name for replica in plan.replicas for claim in replica.claims]
    claims = by_name(client.find(resources.CLAIMS, name, plan.namespace) for name in names)
    return tuple(doubts_about_heir(plan, statefulset, pods, claims))
