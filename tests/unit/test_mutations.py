"""Mutations name text in the sources; when that moves, they move along."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutations.catalogue import MUTATIONS
from tests.mutations.mutation import Mutation

_PACKAGE = Path(__file__).parents[2] / "src" / "csi_migration"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_every_mutation_finds_the_text_that_it_changes(mutation: Mutation, tmp_path: Path) -> None:
    for name in {file for file, _, _ in mutation.changes}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_PACKAGE / name, tmp_path / name)

    mutation.apply(tmp_path)
