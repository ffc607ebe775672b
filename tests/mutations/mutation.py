"""One way in which the tool is broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mutation:
    """Replacements of text in the sources, and the tests that must notice.

    Attributes:
        changes: (file below the package, text that stands there once, new text).
        tests: arguments of pytest, one run each; each of the runs has to notice.
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
