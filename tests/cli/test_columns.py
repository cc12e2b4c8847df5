"""Tables wider than a terminal come in parts, each of which says whose its values are."""

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from archiver.cli.output.wide import parts

COLUMNS = [("run type", False), ("span", False), ("runs", True), ("mean seconds", True)]
ROWS = [["task_v1", "queue", "9,013", "1,234.5"], ["workflow_run", "run", "7", ""]]


def places(columns: list[tuple[str, bool]], rows: list[list[str]], width: int) -> list[list[int]]:
    return [[column.index for column in part] for part in parts(columns, rows, width)]


def test_what_fits_is_one_part_with_headings_between_words() -> None:
    (part,) = parts(COLUMNS, ROWS, 42)
    assert [column.index for column in part] == [0, 1, 2, 3]
    assert [column.heading for column in part] == ["run type", "span", "runs", "mean\nseconds"]
    assert [column.width for column in part] == [12, 5, 5, 7]


def test_what_does_not_fit_comes_in_another_part_behind_what_names_the_row() -> None:
    columns = [*COLUMNS, ("p50 seconds", True), ("max seconds", True)]
    rows = [[*row, "1.5", "99,999.9"] for row in ROWS]
    # Names take 24 characters with their lines, each of the others 3 more than its text.
    assert places(columns, rows, 62) == [[0, 1, 2, 3, 4], [0, 1, 5]]
    assert places(columns, rows, 51) == [[0, 1, 2, 3], [0, 1, 4, 5]]


def test_names_take_no_more_than_half_of_the_width() -> None:
    assert places(COLUMNS, ROWS, 41) == [[0, 1, 2], [0, 3]]


def test_long_texts_are_folded_between_words_and_get_what_room_is_left() -> None:
    columns = [("reason", False), ("failures", True), ("example run ids", False)]
    rows = [["word " * 40, "1,000", "tsk_v2_600329012207751808, tsk_600329012207751809"]]
    (part,) = parts(columns, rows, 80)
    reason, failures, examples = (column.width for column in part)
    assert failures == 8
    assert examples >= len("tsk_v2_600329012207751808,")
    assert reason + failures + examples + 10 == 80
    (whole,) = parts(columns, rows, 1_000_000)
    assert [column.width for column in whole] == [200, 8, 49]


def test_a_table_without_rows_or_names_is_no_reason_to_fail() -> None:
    assert places(COLUMNS, [], 80) == [[0, 1, 2, 3]]
    ((name, value),) = parts([("", False), ("", True)], [["a", "17"]], 80)
    assert (name.heading, value.heading, value.width) == ("", "", 2)


CELLS = st.text("ab 1,語🧾\x1b", max_size=60)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.data(), st.integers(60, 200))
def test_every_column_is_there_and_no_number_is_folded(data: st.DataObject, width: int) -> None:
    columns = data.draw(st.lists(st.tuples(CELLS, st.booleans()), min_size=1, max_size=12))
    digits = st.text("0123456789,.", max_size=16)
    row = st.tuples(*(digits if is_number else CELLS for _, is_number in columns)).map(list)
    rows = data.draw(st.lists(row, max_size=4))
    found = parts([(name[:20], is_number) for name, is_number in columns], rows, width)
    shared = {column.index for column in found[0]}.intersection(
        *({column.index for column in part} for part in found)
    )
    places = [column.index for part in found for column in part if column.index not in shared]
    assert sorted([*places, *shared]) == list(range(len(columns)))
    for part in found:
        assert sum(column.width + 3 for column in part) + 1 <= width
        for column in part:
            if columns[column.index][1]:
                assert all(cell_len(row[column.index]) <= column.width for row in rows)
