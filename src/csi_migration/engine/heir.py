"""A StatefulSet that somebody made again after the migration had ended: it lives on."""

from __future__ import annotations

from collections.abc import Sequence

from csi_migration.decide.todays_set import doubts_about_heir, other_than_then
from csi_migration.engine.second_backup import is_of_the_migration
from csi_migration.engine.ways_out import orphaning
from csi_migration.journal.record import Intent, Record, reached_its_goal
from csi_migration.kube import Client, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.objects import Raw, by_name, uid_of
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.step import SET_POLICY


def follows_an_end(records: Sequence[Record]) -> bool:
    """Whether nothing but a volume's policy was changed since a run reached its goal.

    A rollback that was refused, stopped or killed before its first replica left takes no
    heir away: a set that is made again by then is as much one as before.
    """
    ends = [record for record in records if reached_its_goal(record)]
    return bool(ends) and not any(map(_ends_it, records[ends[-1].seq :]))


def _ends_it(record: Record) -> bool:
    is_policy = isinstance(record, Intent) and record.action.startswith(SET_POLICY)
    return is_of_the_migration(record) and not is_policy


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
            resolution=_way_out(plan, statefulset),
        )


def _way_out(plan: MigrationPlan, statefulset: Raw) -> str:
    fixed = ""
    if any(other_than_then(plan, statefulset)):
        fixed = f"To make it with those of then, take it away without its pods: {orphaning(plan)}. "
    return (
        "See that it runs all its pods, on the claims that they had, with the selector and the "
        f"claim templates of then, and run `rollback` again: it goes by the set of today. {fixed}"
        "Claims that were made anew have no in-tree volume to go back to."
    )


def _doubts(client: Client, plan: MigrationPlan, statefulset: Raw) -> tuple[str, ...]:
    pods = by_name(client.list(resources.PODS, plan.namespace, labels=plan.selector))
    claims = by_name(client.list(resources.CLAIMS, plan.namespace))
    return tuple(doubts_about_heir(plan, statefulset, pods, claims))
