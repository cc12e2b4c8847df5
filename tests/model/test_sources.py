from typing import Any

import pytest
from hypothesis import given

from archiver.model.artifact import ArtifactKind, ArtifactSource, artifact_id_of, read_sources
from archiver.model.document import FieldReader
from tests.model.builders import DOWNLOAD, RECORDING, SCREENSHOT, read_sample, utc
from tests.model.strategies import JSON

URL = "http://127.0.0.1:8000/v1/artifacts/a_1/content?expiry=1&kid=k1&sig=s"


def offered(**fields: Any) -> tuple[tuple[ArtifactSource, ...], list[str]]:
    problems: list[str] = []
    return read_sources(FieldReader(fields, problems)), problems


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"recording_url": None, "screenshot_urls": None, "downloaded_files": None},
        {"screenshot_urls": [], "downloaded_files": [], "recording_archived": False},
    ],
)
def test_a_run_may_have_left_nothing_behind(fields: dict[str, Any]) -> None:
    assert offered(**fields) == ((), [])


def test_recording_screenshots_and_downloads_come_in_this_order() -> None:
    found, problems = offered(
        downloaded_files=[{"url": URL}, {"url": URL}],
        screenshot_urls=[URL, URL, URL],
        recording_url=URL,
    )
    assert [(s.kind, s.ordinal) for s in found] == [
        (RECORDING, 1),
        *((SCREENSHOT, n) for n in (1, 2, 3)),
        *((DOWNLOAD, n) for n in (1, 2)),
    ]
    assert {s.artifact_id for s in found} == {"a_1"}
    assert not problems


def test_a_recording_in_cold_storage_is_an_artifact_without_url() -> None:
    found, problems = offered(recording_url=None, recording_archived=True)
    assert found == (ArtifactSource(RECORDING, 1, None, archived=True),)
    assert not problems


def test_a_recording_with_a_url_is_not_archived_whatever_the_flag_says() -> None:
    found, _ = offered(recording_url=URL, recording_archived=True)
    assert [(s.url, s.archived) for s in found] == [(URL, False)]


@pytest.mark.parametrize("flag", [None, False, "true", 1])
def test_no_recording_and_no_clear_flag_is_no_artifact(flag: Any) -> None:
    assert offered(recording_archived=flag)[0] == ()


def test_every_field_of_a_download_is_read() -> None:
    found, problems = offered(
        downloaded_files=[
            {
                "url": URL,
                "checksum": "SHA256:" + "AB" * 32,
                "filename": "../a\n.pdf",
                "file_size": 0,
                "modified_at": "2026-11-13T18:03:33Z",
                "artifact_id": "a_9",
            }
        ]
    )
    (download,) = found
    assert download.url == URL
    assert download.expected_sha256 == "ab" * 32
    assert download.filename == "../a\n.pdf"
    assert download.expected_size == 0
    assert download.modified_at == utc("2026-11-13T18:03:33")
    assert download.artifact_id == "a_9"
    assert not problems


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("url", 5, "url: expected a string, found an integer"),
        ("checksum", "md5:00", "checksum: not a SHA-256"),
        ("checksum", 5, "checksum: expected a string, found an integer"),
        ("filename", {}, "filename: expected a string, found an object"),
        ("file_size", -1, "file_size: a negative size"),
        ("file_size", 2**63, "file_size: an integer beyond 64 bits"),
        ("file_size", "5", "file_size: expected an integer, found a string"),
        ("modified_at", "soon", "modified_at: not a timestamp"),
        ("artifact_id", [], "artifact_id: expected a string, found a list"),
    ],
)
def test_a_wrong_field_of_a_download_costs_that_field(name: str, value: Any, problem: str) -> None:
    found, problems = offered(downloaded_files=[{"url": URL, "filename": "a"} | {name: value}])
    assert len(found) == 1
    assert problems == [f"downloaded_files[0].{problem}"]


def test_entries_that_make_no_sense_cost_themselves_and_keep_the_numbers_of_the_others() -> None:
    found, problems = offered(screenshot_urls=[5, URL], downloaded_files=[None, "x", {"url": URL}])
    assert [(s.kind, s.ordinal) for s in found] == [(SCREENSHOT, 2), (DOWNLOAD, 3)]
    assert problems == [
        "screenshot_urls[0]: expected a string, found an integer",
        "downloaded_files[0]: expected an object",
        "downloaded_files[1]: expected an object",
    ]


@given(JSON, JSON, JSON, JSON)
def test_any_values_are_read(one: Any, two: Any, three: Any, four: Any) -> None:
    found, _ = offered(
        recording_url=one, recording_archived=two, screenshot_urls=three, downloaded_files=four
    )
    places = [(s.kind, s.ordinal) for s in found]
    assert len(set(places)) == len(places)
    assert places == sorted(places, key=lambda place: (list(ArtifactKind).index(place[0]), place))


@pytest.mark.parametrize("text", ["http://h/\ud800", "\udfff"])
def test_texts_of_sources_can_be_written(text: str) -> None:
    found, problems = offered(
        recording_url=text, screenshot_urls=[text], downloaded_files=[{"url": text}]
    )
    for source in found:
        assert source.url is not None
        source.url.encode()
    assert len(problems) == 3


def test_a_source_never_shows_its_url() -> None:
    found, _ = offered(recording_url=URL)
    assert "sig" not in repr(found)


@pytest.mark.parametrize(
    ("url", "artifact_id"),
    [
        (URL, "a_1"),
        ("/v1/artifacts/a_1/content", "a_1"),
        ("http://h/v1/artifacts/a_1/content#x", "a_1"),
        ("http://h/v1/artifacts/a_1/contents", None),
        ("http://h/v1/artifacts/a/b/content", None),
        ("https://bucket.s3.amazonaws.com/a_1", None),
        ("file:///data/a_1.webm", None),
        ("", None),
        (None, None),
    ],
)
def test_the_id_of_an_artifact_is_read_from_its_content_url(
    url: str | None, artifact_id: str | None
) -> None:
    assert artifact_id_of(url) == artifact_id


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("body-v1-completed-full", (1, 3, 3)),
        ("body-v1-failed", (1, 2, 0)),
        ("body-v2-completed-full", (1, 3, 2)),
        ("body-wr-completed-full", (1, 3, 2)),
    ],
)
def test_real_answers_offer_their_artifacts(name: str, counts: tuple[int, int, int]) -> None:
    found = read_sample(name).sources
    assert tuple(sum(s.kind is kind for s in found) for kind in ArtifactKind) == counts
    assert all(s.artifact_id for s in found)
    assert all("sig=" in (s.url or "") for s in found)
