"""What becomes visible is durable: bytes before their name, a manifest after all it lists."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.killer import FETCH, Killer
from tests.lying_server import LyingServer, png, task_run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths come from /proc")

Event = tuple[str, ...]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fsync").resolve() / "archive"


@pytest.fixture(scope="module")
def events(server: LyingServer, killer: Killer, archive: Path) -> list[Event]:
    record = archive.parent / "events.json"
    assert killer.run(archive, *FETCH, record=record).code == 0
    return [tuple(event) for event in json.loads(record.read_text())]


def place_of(events: Sequence[Event], *wanted: str, after: int = -1) -> int:
    """Where an event happened, behind another one; fails where it never did."""
    return next(n for n, event in enumerate(events) if n > after and event == wanted)


def appearances(events: Sequence[Event], archive: Path) -> list[tuple[int, str, Path]]:
    """Where files got their final names: when, from where, and the name."""
    return [
        (number, event[1], Path(event[2]))
        for number, event in enumerate(events)
        if event[0] in ("os.rename", "os.link") and "/tmp/" not in event[2][len(str(archive)) :]
    ]


def test_the_bytes_of_every_file_are_durable_before_its_name_is_there(
    events: list[Event], archive: Path
) -> None:
    found = appearances(events, archive)
    names = {path.name for _, _, path in found}
    assert {"archive.json", "run.json", "SHA256SUMS", "manifest.json", "01.png"} <= names
    for number, source, path in found:
        opened = max(n for n, event in enumerate(events[:number]) if event == ("open", source))
        assert opened < place_of(events, "fsync", source, after=opened) < number, path


def test_a_manifest_comes_after_all_that_it_lists_and_their_folders(
    events: list[Event], archive: Path
) -> None:
    found = appearances(events, archive)
    manifests = [(number, path) for number, _, path in found if path.name == "manifest.json"]
    assert len(manifests) == 3
    for committed, manifest in manifests:
        revision = manifest.parent
        listed = [(number, path) for number, _, path in found if revision in path.parents]
        for number, path in listed:
            if path == manifest:
                continue
            assert number < place_of(events, "fsync", str(path.parent), after=number) < committed
            # Each folder that was made for it has a durable name, up to the archive itself.
            for folder in path.relative_to(archive).parents:
                made = place_of(events, "os.mkdir", str(archive / folder))
                synced = place_of(events, "fsync", str((archive / folder).parent), after=made)
                assert synced < committed
        journal = [
            n
            for n, event in enumerate(events[:committed])
            if event[0] == "fsync" and event[1].endswith(".journal")
        ]
        assert journal, "the tables could not be brought level after a kill"
        place_of(events, "fsync", str(revision), after=committed)


def test_the_table_runs_comes_last_and_every_table_is_durable(
    events: list[Event], archive: Path
) -> None:
    tables = [(n, path) for n, _, path in appearances(events, archive) if path.suffix == ".parquet"]
    assert tables[-1][1].parts[-3] == "runs"
    manifests = [n for n, _, path in appearances(events, archive) if path.name == "manifest.json"]
    assert min(n for n, _ in tables) > max(manifests)
    for number, path in tables:
        place_of(events, "fsync", str(path.parent), after=number)
    of_ledger = [(n, path) for n, _, path in appearances(events, archive) if "ledger" in path.parts]
    assert [path.suffix for _, path in of_ledger] == [".sha256", ".json", ".head"]
    (listed, list_path), (recorded, _), _ = of_ledger
    durable = place_of(events, "fsync", str(list_path.parent), after=listed)
    assert tables[-1][0] < listed < durable < recorded


def test_many_runs_are_synced_together_in_the_same_order(
    server: LyingServer, killer: Killer, tmp_path: Path
) -> None:
    archive, record = tmp_path.resolve() / "archive", tmp_path / "events.json"
    ids = [f"tsk_{number}" for number in range(100, 130)]
    for run_id in ids:
        shots = [server.artifact(png(n), "screenshot") for n in range(5)]
        server.add_run(task_run(run_id, screenshots=shots))
    ended = killer.run(archive, "fetch", *ids, "--json", "--quiet", record=record)
    assert ended.code == 0
    events = [tuple(event) for event in json.loads(record.read_text())]
    durable = [n for n, event in enumerate(events) if event[0] == "syncfs"]
    if not durable:
        pytest.skip("this file system is not synced as a whole")
    found = appearances(events, archive)
    together = 0
    for committed, _, manifest in found:
        if manifest.name != "manifest.json":
            continue
        last = max(n for n, _, path in found if manifest.parent in path.parents and n < committed)
        first = place_of(events, "os.mkdir", str(manifest.parent))
        synced = [n for n in durable if last < n < committed]
        together += bool(synced)
        folder = ("fsync", str(manifest.parent))
        assert synced or place_of(events, *folder, after=last) < committed
        journal = [
            n
            for n, event in enumerate(events[:first])
            if event[0] == "syncfs" or (event[0] == "fsync" and event[1].endswith(".journal"))
        ]
        assert journal, "a folder before the journal names it"
    assert together


def test_merged_tables_are_durable_before_they_take_the_place_of_the_old(
    killer: Killer, tmp_path: Path
) -> None:
    archive, record = tmp_path.resolve() / "archive", tmp_path / "events.json"
    for run_id in ("tsk_1", "tsk_2"):
        assert killer.run(archive, "fetch", run_id, "--quiet").code == 0
    assert killer.run(archive, "reindex", "--compact", record=record).code == 0
    events = [tuple(event) for event in json.loads(record.read_text())]
    new: dict[str, int] = {}
    for number, event in enumerate(events):
        if event[0] == "open" and event[1].startswith(f"{archive}/tmp/tables/"):
            new.setdefault(event[1], number)
    assert len(new) == 6  # two of them without rows
    replaced = max(n for n, event in enumerate(events) if event == ("fsync", str(archive)))
    for path, opened in new.items():
        synced = place_of(events, "fsync", path, after=opened)
        for folder in list(Path(path).parents)[:3]:
            made = place_of(events, "os.mkdir", str(folder))
            assert opened < synced < place_of(events, "fsync", str(folder), after=made) < replaced
    assert not [e for e in events[:replaced] if e[0] == "os.remove" and "/tables/" in e[1]]
