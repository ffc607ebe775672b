"""Guards of the engine that are taken away: it acts without looking once more."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_ACTIONS = "tests/unit/test_engine_actions.py"
_MIGRATE = "tests/unit/test_engine_migrate.py"
_DETACHMENT = "tests/unit/test_engine_detachment.py"

WITHOUT_A_GUARD = (
    Mutation(
        "lease-not-kept",
        "does not renew its Lease while it waits",
        (
            (
                "engine/run.py",
                "        self._run.lease.keep()\n",
                "",
            ),
        ),
        ("tests/unit/test_engine_waiting.py",),
    ),
    Mutation(
        "lease-not-looked-at",
        "does not look whose the Lease is before it writes",
        (
            (
                "engine/run.py",
                "        self.lease.require()\n",
                "",
            ),
        ),
        ("tests/unit/test_engine_guard.py",),
    ),
    Mutation(
        "no-last-look-for-claims",
        "deletes a claim without a last look at its volume",
        (
            (
                "engine/actions.py",
                "        self._require_retain(volume, side.uid)\n",
                "",
            ),
        ),
        (_ACTIONS,),
    ),
    Mutation(
        "no-last-look-for-volumes",
        "deletes a volume without a last look at it",
        (
            (
                "engine/actions.py",
                "        self._require_retain(name, seen.uid)\n",
                "",
            ),
        ),
        (_ACTIONS,),
    ),
    Mutation(
        "claim-under-a-set",
        "deletes a claim without a last look for a set that somebody created again",
        (
            (
                "engine/actions.py",
                "        self._require_no_set()\n",
                "",
            ),
        ),
        (_ACTIONS,),
    ),
    Mutation(
        "delete-without-claim-ref",
        "deletes a CSI volume that has lost its claimRef",
        (
            (
                "engine/actions.py",
                'if not volume["spec"].get("claimRef"):',
                "if False:",
            ),
        ),
        (
            _ACTIONS,
            "tests/unit/test_decide_any_world.py -k claimRef",
        ),
    ),
    Mutation(
        "nodes-not-asked",
        "does not ask the nodes whether they still use the disk",
        (
            (
                "engine/observe.py",
                "            or tuple(self._nodes_using())\n",
                "",
            ),
        ),
        (_DETACHMENT,),
    ),
    Mutation(
        "machines-not-asked",
        "does not ask vCenter which VMs hold the disk",
        (
            (
                "engine/observe.py",
                "            or tuple(self._machines_holding())\n",
                "",
            ),
        ),
        (_DETACHMENT,),
    ),
    Mutation(
        "claim-not-backed-up",
        "deletes a claim that is not in the working directory",
        (
            (
                "engine/actions.py",
                "found = self._back_up(resources.CLAIMS, claim.name, seen.claim.uid)",
                (
                    "found = self._systems.client.get("
                    "resources.CLAIMS, claim.name, self._plan.namespace)"
                ),
            ),
        ),
        (_ACTIONS,),
    ),
    Mutation(
        "volume-not-backed-up",
        "deletes a volume that is not in the working directory",
        (
            (
                "engine/actions.py",
                "        self._back_up(resources.VOLUMES, name, seen.uid)\n",
                "",
            ),
        ),
        (_ACTIONS,),
    ),
    Mutation(
        "policies-not-given-back",
        "leaves every volume Retain when all is over",
        (
            (
                "engine/migrate.py",
                "        restore_policies(run)\n",
                "",
            ),
        ),
        (_MIGRATE,),
    ),
    Mutation(
        "vanished-pod-left-away",
        "takes the next pod away although another vanished, and its set is not there to make it",
        (
            (
                "decide/next_step.py",
                "guard = others_first(seen) if is_whole else None",
                "guard = None",
            ),
        ),
        ("tests/unit/test_decide_next_step.py",),
    ),
    Mutation(
        "second-backup-too-early",
        "removes the second backup while a creation of it may still come",
        (
            (
                "engine/second_backup.py",
                "        sit_out_creations(run, resources.CONFIG_MAPS)\n",
                "",
            ),
        ),
        ("tests/unit/test_engine_second_backup.py",),
    ),
    Mutation(
        "blind-repeat",
        "sends a request again whose answer was lost",
        (
            (
                "kube/transport.py",
                "retries=False,",
                "retries=2,",
            ),
        ),
        ("tests/unit/test_kube_outcomes.py",),
    ),
    Mutation(
        "late-writes-not-outdated",
        "gives policies back while a deletion without an answer may still come",
        (
            (
                "engine/migrate.py",
                "        outdate_lost_writes(run)  # before any volume is Delete again\n",
                "",
            ),
        ),
        (_MIGRATE,),
    ),
)
