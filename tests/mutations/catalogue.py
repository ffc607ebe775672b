"""The ways in which the tool is broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_DECISION = "tests/unit/test_decide_next_step.py"
_SAFETY = "tests/lab/test_safety.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replacements of text in the sources, and the tests that must notice.

    Attributes:
        changes: (file below the package, text that stands there once, new text).
        tests: arguments of pytest, one run each.
    """

    name: str
    what: str
    changes: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...]

    def apply(self, package: Path) -> None:
        """Change the copy of the sources below `package`.

        Raises:
            ValueError: a text is not there exactly once.
        """
        for file, before, after in self.changes:
            source = (package / file).read_text()
            if source.count(before) != 1:
                raise ValueError(
                    f"{self.name}: {before!r} stands {source.count(before)} x in {file}"
                )
            (package / file).write_text(source.replace(before, after))


MUTATIONS = (
    Mutation(
        "no-detachment",
        "does not wait until nothing holds the disk",
        (
            (
                "decide/next_step.py",
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
        (_SAFETY,),
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
                "decide/next_step.py",
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
                "        _delete_the_volume,\n        _create_the_volume,\n",
                "        _create_the_volume,\n        _delete_the_volume,\n",
            ),
            (
                "decide/next_step.py",
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
                "decide/next_step.py",
                "    return _orphans_first(seen) or Act(Action.DELETE_POD)",
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
                "        _await_registration,\n        _await_binding,\n",
                "        _await_registration,\n",
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
)
