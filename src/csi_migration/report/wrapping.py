"""Text in lines that a terminal shows whole."""

from __future__ import annotations

import textwrap

WIDTH = 80


def labelled(label: str, text: str, *, width: int = WIDTH, column: int = 0) -> str:
    """`label` and the text behind it, later lines under the text's first column.

    The text's own line breaks are kept; a word that is longer than a line, such
    as a path, stays whole. `column` is the label's minimal width.
    """
    first = label.ljust(column)
    indent = " " * len(first)
    lines = [
        line
        for paragraph in text.strip().splitlines()
        for line in textwrap.wrap(
            paragraph, width - len(first), break_long_words=False, break_on_hyphens=False
        )
        or [""]
    ]
    return "".join(
        f"{first if n == 0 else indent}{line}".rstrip() + "\n" for n, line in enumerate(lines)
    )
