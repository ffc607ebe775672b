"""Sets of the shapes in which well-known databases and queues are run: preflight raises no
false alarm, and all of them are migrated with everything that they have. See `shapes/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from lab.client import Object
from lab.manifests import Workload
from tests.lab.every_migration import EveryMigration
from tests.lab.labkit import Lab, ToolRun, Trial
from tests.lab.migration import Migration, migrate

FOLDER = Path(__file__).with_name("shapes")
SHAPES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SIDE_BY_SIDE = 4

Done = tuple[ToolRun, Migration]


def shape(name: str) -> Workload:
    """The set of a file, and all that stands before it in the file, in a namespace of its own."""
    content = (FOLDER / f"{name}.yaml").read_text()
    *beside, statefulset = map(_placed(f"shape-{name}"), yaml.safe_load_all(content))
    return Workload.from_manifest(statefulset, beside=beside)


@pytest.fixture(scope="module")
def migrations(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """All shapes, preflighted and migrated, several at once; with one that fails all are told."""
    folder = tmp_path_factory.mktemp("shapes")
    with ExitStack() as standing:

        def done(name: str) -> Done:
            trial = Trial(lab, shape(name), "user", folder / name)
            standing.enter_context(trial)
            return trial.preflight(), migrate(trial)

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            made = {name: pool.submit(done, name) for name in SHAPES}
        yield {name: future.result() for name, future in made.items()}


class TestEveryPublicShape(EveryMigration):
    @pytest.fixture(scope="class", params=SHAPES)
    @classmethod
    def shaped(cls, request: pytest.FixtureRequest, migrations: dict[str, Done]) -> Done:
        return migrations[request.param]

    @pytest.fixture(scope="class")
    @classmethod
    def migration(cls, shaped: Done) -> Migration:
        return shaped[1]

    def test_raises_no_false_alarm(self, shaped: Done) -> None:
        assert shaped[0].exit_code == 0, str(shaped[0])


def _placed(namespace: str) -> Callable[[Object], Object]:
    def place(item: Object) -> Object:
        item["metadata"]["namespace"] = namespace
        for subject in item.get("subjects", []):
            subject["namespace"] = namespace
        return item

    return place
