"""The page that goes with a package: how to check it, with programs that most computers have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What a package holds that can be checked.

    ``folder`` is where the runs and the ledger lie, ``""`` or ending in ``/``; ``sums`` the files
    that ``sha256sum -c`` takes; ``standard`` is what the package as a whole is. ``head`` is the
    digest of the last ledger record, of ``head_session``. ``signed`` and ``stamped`` are sessions
    whose record has a signature or a time stamp here. ``unproven`` are runs without a proof.
    ``own_heads``: each proof ends with the record of the session that committed the run.
    """

    tool: str
    packed_at: datetime
    archive: str
    runs: int
    folder: str
    sums: Sequence[str]
    standard: Sequence[str]
    head: str | None = None
    head_session: str | None = None
    signed: Sequence[str] = ()
    stamped: Sequence[str] = ()
    unproven: Sequence[str] = field(default=())
    own_heads: bool = False


def how_to_check(of: PackageFacts) -> str:
    """The page, as plain text."""
    questions = [_sums(of), _stored(of)]
    if of.head is not None and of.runs > len(of.unproven):
        questions.append(_proven(of))
    if of.signed:
        questions.append(_signed(of))
    if of.stamped:
        questions.append(_stamped(of))
    numbered = [f"{number}. {text}" for number, text in enumerate(questions, start=1)]
    return "\n".join([_opening(of), *numbered, *([_unproven(of)] if of.unproven else [])])


def _opening(of: PackageFacts) -> str:
    count = "1 run" if of.runs == 1 else f"{of.runs} runs"
    return f"""\
HOW TO CHECK WHAT YOU HAVE BEEN GIVEN

This package holds {count} of Skyvern, a service that works in browsers by itself. It was
made by {of.tool} on {of.packed_at:%Y-%m-%d %H:%M:%S} UTC, from the archive "{of.archive}".

{of.folder}runs.csv, artifacts.csv, errors.csv   the runs, their files, their errors as tables
{of.folder}runs/<run id>/run.json                what the service said of the run
{of.folder}runs/<run id>/manifest.json           what the archive stored of it, and when
{of.folder}runs/<run id>/...                     its recording, screenshots and downloaded files

All commands below are given in the folder in which this page lies.

In the tables, column "file" of artifacts.csv says where a file lies here, "filename" how the
server called it; characters that some computers cannot have in a name, and percent signs,
were replaced. A text in a table that begins like a formula has an apostrophe before it, so
that no spreadsheet runs it. What it is exactly stands in run.json and manifest.json.
"""


def _sums(of: PackageFacts) -> str:
    commands = "\n".join(f"    sha256sum -c --quiet {name}" for name in of.sums)
    standard = "\n".join(f"    {line}" for line in of.standard)
    return f"""\
ARE THE FILES THOSE THAT WERE PACKED?

{commands}

says nothing where every file is as it was packed. On a Mac it is `shasum -a 256 -c`. A single file:

    openssl dgst -sha256 FILE

gives a digest to be compared with the file's line in {of.sums[0]}. The package as a whole:

{standard}
"""


def _stored(of: PackageFacts) -> str:
    return f"""\
ARE THEY THOSE THAT THE ARCHIVE STORED?

manifest.json of a run is the archive's own, byte for byte. It has the SHA-256 of every file as
it was stored, and, as expected_sha256, the one that the service gave, where it gave one. With
Python 3.11 or later:

    python3 - <<'END'
    import hashlib, json, pathlib
    for path in sorted(pathlib.Path("{of.folder}runs").glob("*/manifest.json")):
        manifest = json.loads(path.read_bytes())
        listed = [manifest.get("document"), *manifest["artifacts"]]
        wanted = {{entry["sha256"] for entry in listed if entry and entry.get("path")}}
        here = {{hashlib.file_digest(file.open("rb"), "sha256").hexdigest()
                for file in path.parent.rglob("*") if file.is_file()}}
        print("complete" if wanted <= here else "NOT COMPLETE", path.parent.name)
    END
"""


def _proven(of: PackageFacts) -> str:
    ends = (
        "Each proof ends with the record of the session that committed the run; the records from\n"
        f"there on lie in {of.folder}ledger/, each with the digest of the one before it as\n"
        "previous_sha256."
        if of.own_heads
        else "Each proof leads from the run's manifest to that record, by way of those between."
    )
    head = f"archiver check-proof {of.folder}runs/RUN_ID/proof.json" + (
        "" if of.own_heads else f" --head {of.head}"
    )
    return f"""\
WERE THEY IN THE ARCHIVE, AND NOT CHANGED SINCE?

The archive has a ledger: one record for each session, with the digest of the record before
and the root of a Merkle tree (RFC 9162) over the manifests that were committed in it. Who
knows the digest of one record from elsewhere, as each session prints it, needs to trust nobody
for what was written before it. The last record when this was packed was that of session
{of.head_session}, and its digest

    {of.head}

{ends} With the tool:

    {head}

And without it:

    python3 - <<'END'
    import hashlib, json, pathlib
    def sha(data): return hashlib.sha256(data).digest()
    for path in sorted(pathlib.Path("{of.folder}runs").glob("*/proof.json")):
        proof = json.loads(path.read_bytes())
        manifest = proof["manifest"].encode()
        line = sha(manifest).hex() + "  " + proof["manifest_path"]
        node, place, last = sha(b"\\0" + line.encode()), proof["index"], proof["size"] - 1
        for sibling in map(bytes.fromhex, proof["siblings"]):
            if place % 2 or place == last:
                node = sha(b"\\1" + sibling + node)
                while place and not place % 2:
                    place, last = place // 2, last // 2
            else:
                node = sha(b"\\1" + node + sibling)
            place, last = place // 2, last // 2
        texts = [text.encode() for text in proof["records"]]
        records = [json.loads(text) for text in texts]
        holds = (
            manifest == path.with_name("manifest.json").read_bytes()
            and (last, proof["size"]) == (0, records[0]["manifests"])
            and node.hex() == records[0]["manifests_root"]
            and all(record["previous_sha256"] == sha(before).hex()
                    for record, before in zip(records[1:], texts))
        )
        print("proven" if holds else "NOT PROVEN", path.parent.name, "head", sha(texts[-1]).hex())
    END

The digest of a record that lies here: sha256sum {of.folder}ledger/SESSION.json
"""


def _signed(of: PackageFacts) -> str:
    session = of.signed[-1]
    return f"""\
WHO SAYS SO?

{_counted(of.signed)} signed (Ed25519). With the public key, which you need to
have from whom you trust, as PEM, and OpenSSL 3:

    openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin \\
      -in {of.folder}ledger/{session}.json -sigfile {of.folder}ledger/{session}.sig
"""


def _stamped(of: PackageFacts) -> str:
    session = of.stamped[-1]
    return f"""\
SINCE WHEN?

{_counted(of.stamped)} stamped by a time stamp authority (RFC 3161). With the
certificate of the authority's root:

    openssl ts -verify -data {of.folder}ledger/{session}.json \\
      -in {of.folder}ledger/{session}.tsr -CAfile ROOT.pem

and `openssl ts -reply -text -in FILE.tsr` tells the time.
"""


def _counted(sessions: Sequence[str]) -> str:
    return f"{len(sessions)} of the records in ledger/ {'is' if len(sessions) == 1 else 'are'}"


def _unproven(of: PackageFacts) -> str:
    named = "\n".join(f"    {run_id}" for run_id in of.unproven[:_MOST_NAMED])
    more = len(of.unproven) - _MOST_NAMED
    return f"""\
WITHOUT A PROOF

The ledger lists no manifest of these runs: they were kept before it did so, or by a session
that was cut off.

{named}{f"{chr(10)}    and {more} more" if more > 0 else ""}
"""
