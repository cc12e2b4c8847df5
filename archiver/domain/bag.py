"""BagIt 1.0 (RFC 8493): the texts that make a folder a bag.

The library bagit-python is not what makes them: it moves files, reads all of them again, changes
the process's folder, and writes version 0.97. The tests let it judge.
"""

from collections.abc import Iterable

from archiver.export.content import PackedFile

PAYLOAD = "data/"
DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
DECLARED = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


def manifest_lines(files: Iterable[PackedFile]) -> str:
    """A manifest: one line for each file, which ``sha256sum -c`` reads too."""
    return "".join(f"{file.sha256}  {_encoded(file.name)}\n" for file in files)


def bag_info(fields: Iterable[tuple[str, str | None]]) -> str:
    """The metadata of a bag, in order; each value on one line, those that are None left out."""
    return "".join(
        f"{label}: {' '.join(value.split())}\n" for label, value in fields if value is not None
    )


def payload_oxum(files: Iterable[PackedFile]) -> str:
    """Bytes and number of the payload's files, as Payload-Oxum has them."""
    sizes = [file.size for file in files]
    return f"{sum(sizes)}.{len(sizes)}"


def _encoded(name: str) -> str:
    """A path as manifests have it (RFC 8493, 2.1.3): these three characters are escaped."""
    return name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
