"""The texts of a bag, by RFC 8493."""

from archiver.export.content import PackedFile, bag_info, manifest_lines, payload_oxum
from archiver.model.ids import sha256_of


def packed(name: str, data: bytes = b"x") -> PackedFile:
    return PackedFile(name, len(data), sha256_of(data))


def test_three_characters_are_escaped_in_paths_and_no_other() -> None:
    names = {"data/100%.txt": "data/100%25.txt", "a\r\nb": "a%0D%0Ab", "ü ?&'*": "ü ?&'*"}
    for name, written in names.items():
        assert manifest_lines([packed(name)]) == f"{sha256_of(b'x')}  {written}\n"


def test_a_value_is_one_line_whatever_it_holds() -> None:
    fields = [("A", "one\ntwo:\r three"), ("B", None), ("C", "ü")]
    assert bag_info(fields) == "A: one two: three\nC: ü\n"


def test_the_oxum_is_bytes_and_files() -> None:
    assert payload_oxum([packed("a", b"12"), packed("b", b"345")]) == "5.2"
    assert payload_oxum([]) == "0.0"
