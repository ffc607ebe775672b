"""The record that `kubectl apply` keeps of the manifest that it applied last.

kubectl works out a change from three sides: this record, the new manifest and the
live object (kubectl: pkg/cmd/apply/patcher.go). A record that still names the old
class makes every later apply a change, if only of the record itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from csi_migration.model.objects import Raw

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# Go's encoding/json writes these so, for the sake of HTML and of JavaScript.
_ESCAPED_BY_GO = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def rewritten(record: str, change: Callable[[Raw], None]) -> str:
    """The record as kubectl would have written it after `change` to the manifest.

    A record that kubectl did not write to the byte, or that `change` finds no
    sense in, comes back as it is: anybody may write an annotation, and what is
    not understood is left alone.
    (kubectl: util.GetModifiedConfiguration writes it with Go's encoding/json.)
    """
    try:
        manifest = json.loads(record)
        if written(manifest) != record:
            return record
        change(manifest)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return record
    return written(manifest)


def written(manifest: Any) -> str:
    """JSON to the byte as kubectl's encoder writes it: sorted, compact, one line."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPED_BY_GO) + "\n"
