"""The house keeps its shape: layers, sizes, and one home for each library."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from importlinter import cli
from importlinter.cli import EXIT_STATUS_SUCCESS

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "src" / "csi_migration"
LAB = REPOSITORY / "lab"
LAYERS = sorted(p for p in PACKAGE.iterdir() if (p / "__init__.py").is_file())
FOLDERS = [PACKAGE, LAB, REPOSITORY / "tests", REPOSITORY / "bench"]
FILES = sorted(file for folder in FOLDERS for file in folder.rglob("*.py"))

LONGEST_FILE = 400
MEDIAN_FUNCTION = 10


def test_imports_follow_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.syspath_prepend(str(REPOSITORY))

    assert cli.lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(REPOSITORY)))
def test_a_file_can_be_read_in_one_go(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("folder", [*LAYERS, LAB], ids=lambda f: f.name)
def test_the_median_function_fits_ten_lines(folder: Path) -> None:
    lengths = [_length(f) for file in folder.rglob("*.py") for f in _functions(file)]

    assert median(lengths or [0]) <= MEDIAN_FUNCTION


def _functions(file: Path) -> Iterator[ast.FunctionDef]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _length(function: ast.FunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    total = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return total
    docstring = function.body[0]
    return total - ((docstring.end_lineno or 0) - docstring.lineno + 1)
