"""Cells of CSV files: nothing that a spreadsheet would run."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.export.pack import cell
from archiver.model.artifact import ArtifactKind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (-0.5, "-0.5"),
        (2**63, "9223372036854775808"),
        (datetime(2026, 3, 1, 2, 3, 4, 5, UTC), "2026-03-01 02:03:04.000005+00:00"),
        (date(2026, 3, 1), "2026-03-01"),
        (["=a", "ü"], '["=a", "ü"]'),
        ((), "[]"),
        (ArtifactKind.DOWNLOAD, "download"),
        ("plain", "plain"),
        ("a=1", "a=1"),
        ("=1+1", "'=1+1"),
        (" =1", "' =1"),
        ("＝1", "'＝1"),
        ("\t=1", "'\t=1"),
        ("-rf", "'-rf"),
    ],
)
def test_values_as_text(value: object, text: str) -> None:
    assert cell(value) == text


@given(st.text())
def test_no_text_begins_like_a_formula_and_all_can_be_had_back(text: str) -> None:
    written = cell(text)
    assert not written.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert text in (written, written.removeprefix("'"))
