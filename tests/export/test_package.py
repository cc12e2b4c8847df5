"""What goes into a package, and under which names."""

from archiver.export.content import run_files, run_folders
from tests.model.builders import entry, manifest


def test_names_are_the_servers_whichever_revision_the_files_lie_in() -> None:
    entries = [
        entry(ordinal=1, filename="100%.pdf", path="r1/downloads/100%.pdf"),
        entry(ordinal=2, filename="100_.PDF", path="r2/downloads/100_.PDF"),
        entry(ordinal=3, filename=None, path="r2/downloads/unnamed"),
    ]
    of = manifest(*entries)
    files = run_files(of)
    assert [file.path for file in files] == [file.path for file in of.files]
    assert [file.name for file in files] == [
        *("run.json", "downloads/100_.pdf", "downloads/100_-2.PDF", "downloads/unnamed"),
    ]
    assert [file.artifact for file in files] == [None, *entries]


def test_folders_of_runs_differ_by_more_than_case() -> None:
    assert list(run_folders(["tsk_A", "tsk_a", "wr_1"])) == [
        *("runs/tsk_A", "runs/tsk_a-2", "runs/wr_1"),
    ]
