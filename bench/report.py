"""`python -m bench.report`: writes the measured tables into the documents, from what was kept.

A block begins with `<!-- docs/evidence/NAME.json -->` and ends with `<!-- end -->`; between them
stands what the command printed that wrote the file. `<!-- bench/delays.py -->` has the delays.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.delays import TABLE
from lab.layout import REPOSITORY

DOCUMENTS = ("docs/performance.md", "docs/scale.md", "docs/inventory.md")
_BLOCK = re.compile(
    r"<!-- (docs/evidence/[\w-]+\.json|bench/delays\.py) -->\n.*?<!-- end -->", re.DOTALL
)


def main() -> int:
    """Say on stderr what is not measured yet: its block stays as it is."""
    for document in DOCUMENTS:
        path = REPOSITORY / document
        path.write_text(written(path.read_text(), REPOSITORY))
        for source in sources(path.read_text()):
            if not (REPOSITORY / source).exists():
                print(f"{document}: there is no {source}", file=sys.stderr)
    return 0


def sources(text: str) -> list[str]:
    """The files that the blocks of a document are made of."""
    return [found[1] for found in _BLOCK.finditer(text)]


def written(text: str, root: Path) -> str:
    """The document with every block made anew whose file is there."""
    return _BLOCK.sub(lambda found: _block(found, root), text)


def _block(found: re.Match[str], root: Path) -> str:
    source = found[1]
    if source == "bench/delays.py":
        return f"<!-- {source} -->\n{_delays()}\n<!-- end -->"
    if not (root / source).exists():
        return found[0]
    return f"<!-- {source} -->\n{_measured(json.loads((root / source).read_text()))}\n<!-- end -->"


def _measured(kept: dict[str, Any]) -> str:
    about = f"Of `{kept['command']}` at {kept['commit']} on {kept['date']}, {kept['cores']} cores:"
    return "\n".join([about, "", "```text", *kept["printed"], "```"])


def _delays() -> str:
    rows = [("delay", "seconds", "what", "source of the default"), ("---",) * 4]
    rows += [(f"`{one.name}`", f"{one.seconds:g}", one.what, one.source) for one in TABLE]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
