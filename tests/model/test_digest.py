import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model.ids import Sha256, parse_checksum, sha256_of
from tests.model.strategies import ANY_TEXT

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(st.binary())
def test_the_digest_is_that_of_hashlib(data: bytes) -> None:
    assert sha256_of(data) == hashlib.sha256(data).hexdigest()


@given(
    HEX,
    st.sampled_from(["", "sha256:", "SHA256:", "Sha256:", "sha-256:", "SHA-256=", "sha256="]),
    st.sampled_from([str.lower, str.upper, str.title, str.swapcase]),
    st.sampled_from(["", " ", "\n", "\t "]),
)
def test_any_case_prefix_and_surrounding_space_is_taken(
    text: str, prefix: str, case: type[str], space: str
) -> None:
    assert parse_checksum(f"{space}{prefix}{space}{case(text)}{space}") == text


@given(ANY_TEXT | HEX.map(lambda text: text[:-1]) | HEX.map(lambda text: text + "0"))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        parse_checksum(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "d41d8cd98f00b204e9800998ecf8427e",
        "sha512:" + "0" * 64,
        "sha256:sha256:" + "0" * 64,
        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "0" * 63 + "g",
        "0" * 32 + " " + "0" * 32,
        "٠" * 64,
    ],
)
def test_other_algorithms_and_encodings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        parse_checksum(text)


@pytest.mark.parametrize("text", ["A" * 64, "0" * 64 + "\n", "sha256:" + "0" * 64, "", "0" * 63])
def test_the_type_holds_only_lower_case_hex(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        Sha256(text)
