"""Lets a rollback go by the StatefulSet as it is today, not as it was backed up."""

from __future__ import annotations

from csi_migration.decide.ownership import is_given_back
from csi_migration.decide.todays_set import (
    obstacles,
    plan_by,
    pods_made_since,
    revision_of_today,
)
from csi_migration.engine.backup import save_before_deletion
from csi_migration.engine.companions import is_ours
from csi_migration.engine.heir import follows_an_end, require_heir
from csi_migration.engine.run import Run, timeout_of
from csi_migration.engine.whole_set import set_before_its_window
from csi_migration.kube import Client, resources
from csi_migration.model.errors import NeedsPerson
from csi_migration.model.events import Notice
from csi_migration.model.objects import Raw, is_terminating, name_of, spec_changes, uid_of
from csi_migration.model.plan import MigrationPlan
from csi_migration.model.step import Wait

_CONTROLLERS = "See that the kube-controller-manager runs."


def go_by_todays_set(run: Run) -> None:
    """Take the set's rollouts, scale and new fields since the backup for given.

    A set that is away is the one that was taken away last. One that somebody else
    made is left to those who refuse it.

    Raises:
        NeedsPerson: it was scaled down, or a rollout has not ended.
        WaitedTooLong: its controller does not catch up.
    """
    found = _caught_up(run)
    if found is not None and not is_ours(found, run.plan, run.made):
        return
    records = run.directory.journal.records()
    today = found or set_before_its_window(records, run.plan, run.directory.load)
    changes = spec_changes(today, run.plan.original)
    run.plan = run.patiently("", lambda: plan_of_today(run.systems.client, run.plan, today))
    _tell(run, changes)


def save_todays_set(run: Run) -> None:
    """Put the set as it is today into the working directory, and so into the second backup.

    What it became since the migration only the directory knows while it is away. A set
    whose fields were not given back to their owners yet is not what it should come back as.
    One that somebody made again after the migration had ended is its heir, and known from
    then on.

    Raises:
        NeedsPerson: what was migrated is not that set's own.
        JournalBroken: the directory cannot be written.
        KubernetesError: the set could not be read.
    """
    found, plan = _find(run), run.plan
    if found is None or not is_given_back(found):
        return
    if not is_ours(found, plan, run.made):
        if not follows_an_end(run.directory.journal.records()):
            return
        _take_for_heir(run, found)
    save_before_deletion(
        run.systems.client,
        run.directory,
        resources.STATEFULSETS,
        plan.statefulset,
        namespace=plan.namespace,
        uid=uid_of(found),
    )


def _take_for_heir(run: Run, found: Raw) -> None:
    require_heir(run.systems.client, run.plan, found)
    run.made.add(uid_of(found))
    text = (
        f"the StatefulSet was made again since the migration (uid {uid_of(found)}); its pods and "
        "claims are those that were migrated, so it is taken back as it is today"
    )
    run.tell(Notice("warning", text))


def plan_of_today(client: Client, plan: MigrationPlan, today: Raw) -> MigrationPlan:
    """The plan of a rollback by the set as it is today.

    Raises:
        NeedsPerson: it was scaled down, or a rollout has not ended.
        KubernetesError: its pods or its revision could not be read.
    """
    found = client.list(resources.PODS, plan.namespace, labels=plan.selector)
    planned = {replica.pod for replica in plan.replicas}
    pods = {name_of(pod): pod for pod in found if name_of(pod) in planned}
    for obstacle in obstacles(plan, today, pods):
        raise NeedsPerson(obstacle.message, resolution=obstacle.resolution)
    return plan_by(plan, today, _revision(client, plan, today))


def _caught_up(run: Run) -> Raw | None:
    """The set, once its status is of its present spec; None while it is away."""
    limit = timeout_of(Wait.ADOPTED, run.options, 0.0, len(run.plan.replicas))
    wait = run.waiter("", "caught-up", limit, _CONTROLLERS)
    while True:
        found = run.patiently("", lambda: _find(run))
        if found is None or _has_caught_up(found):
            return found
        if not is_ours(found, run.plan, run.made):
            return found
        wait.pause("the StatefulSet's controller has not caught up with its spec")


def _find(run: Run) -> Raw | None:
    return run.systems.client.find(resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace)


def _has_caught_up(statefulset: Raw) -> bool:
    observed = statefulset.get("status", {}).get("observedGeneration", 0)
    return is_terminating(statefulset) or observed >= statefulset["metadata"]["generation"]


def _revision(client: Client, plan: MigrationPlan, today: Raw) -> Raw | None:
    wanted = revision_of_today(plan, today)
    if wanted == plan.revision:
        return None
    found = client.find(resources.CONTROLLER_REVISIONS, wanted, plan.namespace)
    if found is None:
        raise NeedsPerson(
            f"ControllerRevision {wanted}, which the StatefulSet's pods run, is not there, "
            "and no pod could be made from it",
            resolution="Roll the StatefulSet out anew, and run `rollback` again.",
        )
    return found


def _tell(run: Run, changes: tuple[str, ...]) -> None:
    if changes:
        text = (
            f"the StatefulSet changed since it was backed up ({', '.join(changes)}): it comes "
            "back as it is today, with the claim templates of the backup"
        )
        run.tell(Notice("warning", text))
    if made := pods_made_since(run.plan):
        text = (
            f"{', '.join(made)}: made after the backup, so there is no in-tree volume to go "
            "back to; left alone, on the volumes that are there"
        )
        run.tell(Notice("warning", text))
