"""The ways in which the tool is broken on purpose."""

from __future__ import annotations

from tests.mutations.guards import WITHOUT_A_GUARD
from tests.mutations.mutation import Mutation

_DECISION = "tests/unit/test_decide_next_step.py tests/unit/test_decide_both_ways.py"
# On the way back a tool that is broken so may not end by itself.
_SAFETY = "tests/lab/test_safety.py -k there"


MUTATIONS = (
    Mutation(
        "no-detachment",
        "does not wait until nothing holds the disk",
        (
            (
                "decide/replica_rules.py",
                "    if seen.attached_by:\n        return AwaitIt(",
                "    if False:\n        return AwaitIt(",
            ),
        ),
        (_DECISION, _SAFETY),
    ),
    Mutation(
        "no-retain",
        "does not set the reclaim policy to Retain",
        (("engine/migrate.py", "        retain_everything(run)\n", ""),),
        ("tests/unit/test_engine_migrate.py", _SAFETY),
    ),
    Mutation(
        "no-retain-no-guards",
        "does not set Retain and skips both later looks at the policy",
        (
            (
                "engine/migrate.py",
                "        retain_everything(run)\n",
                "",
            ),
            (
                "decide/replica_rules.py",
                "if seen.old_volume.presence is Presence.OLD and not seen.retain:",
                "if False:",
            ),
            ("engine/actions.py", 'if policy != "Retain" or ', "if "),
        ),
        (_DECISION, _SAFETY),
    ),
    Mutation(
        "new-before-old",
        "makes the new volume before the old one is gone",
        (
            (
                "decide/next_step.py",
                "    delete_in_tree_volume,\n    _delete_what_cannot_bind,\n",
                "    _delete_what_cannot_bind,\n",
            ),
            (
                "decide/next_step.py",
                "    _create_the_volume,\n    _create_the_claim,\n",
                "    _create_the_volume,\n    delete_in_tree_volume,\n    _create_the_claim,\n",
            ),
            (
                "decide/replica_rules.py",
                '    if seen.registered:\n        reason = f"CNS still',
                '    if False:\n        reason = f"CNS still',
            ),
        ),
        (_DECISION, _SAFETY),
    ),
    Mutation(
        "delete-by-name",
        "deletes by name, without the uid as a precondition",
        (
            (
                "kube/client.py",
                "options = delete_options(uid, resource_version, propagation, dry_run=dry_run)",
                """options = delete_options(uid, None, propagation, dry_run=dry_run)
        del options["preconditions"]""",
            ),
        ),
        ("tests/unit/test_kube_client.py", _SAFETY),
    ),
    Mutation(
        "no-orphan-check",
        "does not check that the deleted set's pods were orphaned",
        (
            (
                "decide/replica_rules.py",
                "    return orphans_first(seen) or Act(Action.DELETE_POD)",
                "    return Act(Action.DELETE_POD)",
            ),
        ),
        (_DECISION,),
    ),
    Mutation(
        "set-too-early",
        "brings the StatefulSet back before the claims are bound",
        (
            (
                "decide/next_step.py",
                "    _await_registration,\n    _await_binding,\n",
                "    _await_registration,\n",
            ),
        ),
        (_DECISION,),
    ),
    Mutation(
        "unprotected-disk",
        "does not make the disk outlive its VM",
        (("decide/next_step.py", "if not seen.disk.keep_after_delete_vm:", "if False:"),),
        (_DECISION,),
    ),
    Mutation(
        "stale-uid",
        "keeps the old claim's uid in the new volume's claimRef",
        (
            (
                "decide/manifests.py",
                '        "name": name_of(claim),\n    }\n\n\ndef _metadata(',
                """        "name": name_of(claim),
        "uid": claim["metadata"]["uid"],
    }


def _metadata(""",
            ),
        ),
        ("tests/unit/test_decide_manifests.py",),
    ),
    Mutation(
        "set-over-missing-claim",
        "brings the StatefulSet back without a look at the claims",
        (
            (
                "decide/replica_rules.py",
                "return _missing_claim(plan, seen) or Act(Action.CLOSE_WINDOW)",
                "return Act(Action.CLOSE_WINDOW)",
            ),
        ),
        (_DECISION,),
    ),
    Mutation(
        "back-no-detachment",
        "going back, does not wait until nothing holds the disk",
        (
            (
                "decide/back_step.py",
                "    return await_detachment(seen) or stage_by_stage(",
                "    return stage_by_stage(",
            ),
        ),
        (_DECISION,),
    ),
    Mutation(
        "back-no-retain",
        "going back, does not mind whether the CSI volume is Retain",
        (
            (
                "decide/replica_rules.py",
                "if seen.new_volume.presence is Presence.NEW and not seen.new_retain:",
                "if False:",
            ),
        ),
        (_DECISION, "tests/unit/test_decide_any_world.py"),
    ),
    Mutation(
        "back-before-cns-let-go",
        "makes the in-tree volume again before CNS let go of the CSI one",
        (
            (
                "decide/back_step.py",
                'await_unregistered(plan, seen, "CSI") or ',
                "",
            ),
        ),
        (_DECISION,),
    ),
    Mutation(
        "keeps-what-cannot-bind",
        "taken up the other way, keeps a volume that remembers a claim that is gone",
        (
            (
                "decide/back_step.py",
                "return delete_in_tree_volume(plan, seen) if is_released or is_going else None",
                "return None",
            ),
            (
                "decide/next_step.py",
                "return delete_csi_volume(plan, seen) if is_released or is_going else None",
                "return None",
            ),
        ),
        (_DECISION,),
    ),
    *WITHOUT_A_GUARD,
)
