"""Encodings are undone, layer by layer, whole, however their bytes are cut into pieces."""

import gzip
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.fetch.http.client import EncodingBroken, decoded, is_encoded

MEMBERS = st.lists(st.binary(max_size=60), min_size=1, max_size=3)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(MEMBERS, st.integers(1, 40), st.sampled_from([b"", b"\0", b"\0" * 50]))
def test_all_members_of_a_stream_come_out(members: list[bytes], size: int, end: bytes) -> None:
    stream = b"".join(map(gzip.compress, members)) + end
    assert b"".join(decoded(cut(stream, size), "gzip")) == b"".join(members)


def test_members_that_end_with_a_piece_come_out() -> None:
    pieces = [gzip.compress(b"a"), gzip.compress(b"b"), b"", gzip.compress(b"c")]
    assert b"".join(decoded(pieces, "gzip")) == b"abc"


@given(st.binary(max_size=60), st.integers(1, 40))
def test_zlib_comes_out_too(data: bytes, size: int) -> None:
    assert b"".join(decoded(cut(zlib.compress(data), size), "gzip")) == data


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_stream_that_was_cut_off_is_said_to_be(data: bytes, draw: st.DataObject) -> None:
    stream = gzip.compress(data)
    end = draw.draw(st.integers(2, len(stream) - 1))
    with pytest.raises(EncodingBroken) as raised:
        list(decoded([stream[:end]], "gzip"))
    assert raised.value.is_cut


def test_a_stream_that_is_broken_is_not_taken_for_cut() -> None:
    stream = bytearray(gzip.compress(b"x" * 100))
    stream[-6] ^= 0xFF  # of its check sum
    with pytest.raises(EncodingBroken) as raised:
        list(decoded([bytes(stream)], "gzip"))
    assert not raised.value.is_cut


@given(st.binary(max_size=60).filter(lambda data: not data or data[0] & 15 not in (8, 15)))
def test_what_is_no_stream_stays(data: bytes) -> None:
    assert b"".join(decoded(cut(data, 7), "gzip")) == data


def test_pieces_are_small_whatever_they_come_from() -> None:
    pieces = list(decoded([gzip.compress(b"\0" * (20 << 20))], "gzip"))
    assert sum(map(len, pieces)) == 20 << 20
    assert max(map(len, pieces)) <= 1 << 18


@pytest.mark.parametrize("encoding", ["", "identity", "aws-chunked", " Identity , ", "UTF-8"])
def test_some_names_are_none_of_an_encoding(encoding: str) -> None:
    assert not is_encoded(encoding)
    assert b"".join(decoded([b"\x1f\x8b as", b" it is"], encoding)) == b"\x1f\x8b as it is"


ONE = [
    "gzip",
    " GZIP ",
    "x-gzip",
    "aws-chunked,gzip",
    "gzip, identity",
    "identity,gzip,aws-chunked",
]


@pytest.mark.parametrize("encoding", ONE)
def test_one_layer_is_undone_whatever_stands_beside_it(encoding: str) -> None:
    assert is_encoded(encoding)
    assert b"".join(decoded([gzip.compress(b"it")], encoding)) == b"it"


@given(st.lists(st.sampled_from(["gzip", "deflate"]), max_size=3), st.binary(max_size=60))
def test_all_layers_are_undone_the_last_one_first(layers: list[str], data: bytes) -> None:
    stream = data = b"it: " + data
    for layer in layers:
        stream = gzip.compress(stream) if layer == "gzip" else zlib.compress(stream)
    assert b"".join(decoded(cut(stream, 7), ",".join(layers))) == data


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        *(("br", "br"), ("zstd", "zstd"), ("gzip, br", "br"), ("br,gzip", "br")),
        *(("compress", "compress"), ("base64", "base64"), ("x\x1b[2J", "x [2j")),
        *((",".join(["gzip"] * 5), "gzip"), ("a" * 500, "aaa")),
    ],
)
def test_what_nobody_can_undo_is_named(encoding: str, named: str) -> None:
    assert is_encoded(encoding)
    with pytest.raises(EncodingBroken, match=re.escape(named)) as raised:
        list(decoded([b"it"], encoding))
    assert not raised.value.is_cut
    assert len(str(raised.value)) < 150
