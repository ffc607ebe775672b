"""The StatefulSet object over the whole run: what it was, what it comes back as, its windows."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterable

from csi_migration.decide.ownership import is_given_back
from csi_migration.engine.actions import create_statefulset
from csi_migration.engine.companions import await_adoption, require_ours, settled_set
from csi_migration.engine.ownership import give_back_ownership
from csi_migration.engine.run import Run, closing
from csi_migration.journal.record import Done, Intent, ObjectRef, Record, Saved
from csi_migration.kube import AlreadyExists, resources
from csi_migration.model.events import StepDone, StepStarted
from csi_migration.model.objects import Raw, is_made_by_tool, uid_of
from csi_migration.model.plan import MigrationPlan, Window
from csi_migration.model.step import Action

_CLOSE = Action.CLOSE_WINDOW.value
_GIVE_BACK = "give-back-fields"
# A set of today, saved with its uid and version when a rollback began.
_SAVED_SET = re.compile(r"backup/statefulsets/.+\.([0-9a-f-]{36})\.\d+\.json")


def last_set(run: Run) -> Raw:
    """The set as it stands; as it was last seen while it is away.

    A run that was killed with the set away left it in the intent that took it
    away. One that was killed before the set's fields were given back to their
    owners left a set whose owners are those of the set before it.
    """
    found = run.patiently("", lambda: settled_set(run))
    if found is not None and is_given_back(found):
        return found
    before = set_before_its_window(run.directory.journal.records(), run.plan, run.directory.load)
    return before if found is None else _owned_like(before, found)


def set_before_its_window(
    records: Iterable[Record], plan: MigrationPlan, load: Callable[[str], bytes]
) -> Raw:
    """The set as it was when it was taken away last, or when a rollback began, whichever
    came later; the one of the plan if neither happened. `load` reads a saved file.

    Raises:
        JournalUnreadable: the saved file is gone or was changed.
    """
    before: Raw = plan.original
    file = ""
    for record in records:
        if isinstance(record, Intent) and "statefulset" in record.parameters:
            before, file = record.parameters["statefulset"], ""
        elif isinstance(record, Saved) and _SAVED_SET.fullmatch(record.file):
            file = record.file
    return json.loads(load(file)) if file else before


def _owned_like(before: Raw, found: Raw) -> Raw:
    owners = {"managedFields": before["metadata"].get("managedFields") or []}
    return found | {"metadata": found["metadata"] | owners}


def made_by(run: Run) -> set[str]:
    """The uids of all that this migration made, as far as its journal tells."""
    return made_in(run.directory.journal.records())


def made_in(records: tuple[Record, ...]) -> set[str]:
    """The same from a journal's records."""
    made = {str(r.result["uid"]) for r in records if isinstance(r, Done) and "uid" in r.result}
    intents = (r for r in records if isinstance(r, Intent))
    marked = {r.object.uid for r in intents if r.action == _GIVE_BACK}
    saved = (_SAVED_SET.fullmatch(r.file) for r in records if isinstance(r, Saved))
    return made | marked | {found[1] for found in saved if found}


def give_back_all_fields(run: Run) -> None:
    """Take the tool's last mark off the set: its fields are its owners' alone again.

    From then on only the journal tells that the set was made by this migration.

    Raises:
        KubernetesError: begin again.
        NeedsPerson: there is another set of that name.
    """
    found = settled_set(run)
    if found is None or not is_made_by_tool(found):
        return
    run.guard()
    run.made.add(uid_of(found))
    journal = run.directory.journal
    intent = journal.intent(step=_GIVE_BACK, action=_GIVE_BACK, object=_reference(run, found))
    with closing(journal, intent):
        give_back_ownership(
            run.systems.client, run.plan.namespace, last_set(run), uid_of(found), marked=False
        )


def _reference(run: Run, found: Raw | None) -> ObjectRef:
    return ObjectRef(
        kind="StatefulSet",
        name=run.plan.statefulset,
        namespace=run.plan.namespace,
        uid=uid_of(found) if found else "",
    )


def templates_of(plan: MigrationPlan, on_csi: set[str]) -> Raw:
    """The set whose claim templates fit: CSI as long as one replica is there."""
    return plan.statefulset_manifest if on_csi else plan.original


def close_the_shared_window(run: Run, templates: Raw, *, awaits_adoption: bool) -> None:
    """Bring the set back after a window that replicas shared, also when the run stops early.

    Only over claims that are all there: its controller would provision an
    empty volume in the place of a missing one.

    Raises:
        NeedsPerson: somebody else brought it back.
    """
    if run.window is not Window.RUN:
        return
    found = run.systems.client.find(
        resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace
    )
    if found is None:
        _create_the_set(run, templates)
    elif uid_of(found) == run.plan.uid:
        return  # the window was never opened
    ours = _ours_or_refuse(run)
    if awaits_adoption:
        await_adoption(run, uid_of(ours))


def _create_the_set(run: Run, templates: Raw) -> None:
    before = last_set(run)
    run.guard()
    run.tell(StepStarted("", _CLOSE, "bring the StatefulSet back"))
    started = time.monotonic()
    journal = run.directory.journal
    intent = journal.intent(step=_CLOSE, action=_CLOSE, object=_reference(run, None))
    # If there is one already: whose it is, is looked at next.
    with contextlib.suppress(AlreadyExists), closing(journal, intent) as result:
        result.update(create_statefulset(run, before, templates))
    run.tell(StepDone("", _CLOSE, "", time.monotonic() - started))


def _ours_or_refuse(run: Run) -> Raw:
    found = run.systems.client.get(resources.STATEFULSETS, run.plan.statefulset, run.plan.namespace)
    require_ours(run, found)
    return found
