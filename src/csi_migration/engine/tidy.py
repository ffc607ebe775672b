"""Takes away what runs leave in the cluster, once nothing needs it any more."""

from __future__ import annotations

from csi_migration.engine.nudge import ANNOTATION, forget_touch
from csi_migration.engine.run import Run
from csi_migration.engine.second_backup import forget_the_second_backup
from csi_migration.engine.whole_set import give_back_all_fields
from csi_migration.kube import resources
from csi_migration.model.objects import annotations_of, name_of


def tidy_up(run: Run) -> None:
    """Remove the marks of this run and of those before it.

    Raises:
        KubernetesError: the cluster could not be read.
    """
    run.patiently("", lambda: _untouch_claims(run))
    # This order: without its journal, a run that lost its mark would not know its own set.
    forget_the_second_backup(run)
    run.patiently("", lambda: give_back_all_fields(run))


def _untouch_claims(run: Run) -> None:
    planned = {claim.name for replica in run.plan.replicas for claim in replica.claims}
    for claim in run.systems.client.list(resources.CLAIMS, run.plan.namespace):
        if name_of(claim) in planned and ANNOTATION in annotations_of(claim):
            run.guard()
            forget_touch(run.systems.client, name_of(claim), run.plan.namespace)
