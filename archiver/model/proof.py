"""Proofs: that a run's manifest was in the archive when a certain ledger record was the head.

A proof is a small JSON file that is checked with nothing else at hand: the manifest as text, its
place in the Merkle tree of the session that committed it, and the ledger records from that one to
the head, as they lie in the archive. Whoever noted the head's digest earlier knows by it that
nothing before has been changed since (format, 5.10).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from archiver.errors import ArchiverError, ProofInvalid
from archiver.model.ids import Sha256, sha256_of
from archiver.model.ledger import LedgerRecord, ListedManifest, decode_record
from archiver.model.manifest import Manifest, decode_manifest
from archiver.model.merkle import InclusionPaths, root_from_path

FORMAT = 1


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """A proof as it is written. ``path`` and ``siblings`` are of the Merkle tree, hashes in hex.

    ``records`` are the texts of the ledger's records, the session's own first, the head last.
    """

    format: Annotated[int, msgspec.Meta(ge=1, le=FORMAT)] = FORMAT
    run_id: str
    revision: int
    manifest_path: str
    manifest: str
    index: int
    size: int
    siblings: tuple[str, ...]
    records: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    signature: bytes | None = None
    """Of the head's record, Ed25519, in base64."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: this manifest was committed by ``session``, before the head was written.

    ``heads`` are the digests of the records that it chains, oldest first; the last is the head.
    """

    manifest: Manifest
    session: LedgerRecord
    head: LedgerRecord
    heads: tuple[Sha256, ...]
    is_signed: bool


def make_proof(
    committed: Sequence[ListedManifest],
    paths: InclusionPaths,
    index: int,
    manifest: bytes,
    records: Sequence[bytes],
    signature: bytes | None = None,
) -> Proof:
    """Return a proof for the manifest at ``index`` of a session's list, whose ``paths`` are given.

    ``records`` begin with the session's own; ``signature`` is that of the last, if it has one.
    """
    parsed = decode_manifest(manifest, committed[index].path)
    return Proof(
        run_id=parsed.run_id,
        revision=parsed.revision,
        manifest_path=committed[index].path,
        manifest=manifest.decode(),
        index=index,
        size=len(committed),
        siblings=tuple(sibling.hex() for sibling in paths.of(index)),
        records=tuple(record.decode() for record in records),
        signature=signature,
    )


_PROOF = msgspec.json.Decoder(Proof)


def encode_proof(proof: Proof) -> bytes:
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


def check_proof(
    data: bytes,
    head: Sha256 | None = None,
    verifies: Callable[[bytes, bytes], bool] | None = None,
) -> Proven:
    """What a proof shows, where it holds; ``head`` is a digest that was noted before.

    ``verifies`` says whether a signature (first) is one of bytes: the head's record must have one.

    Raises ProofInvalid, which says where it breaks.
    """
    try:
        proof = _PROOF.decode(data)
        siblings = [bytes.fromhex(sibling) for sibling in proof.siblings]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProofInvalid(f"it is no proof: {error}") from None
    try:
        manifest = decode_manifest(proof.manifest.encode(), proof.manifest_path)
        records = [decode_record(text.encode(), "a record") for text in proof.records]
    except ArchiverError as error:
        raise ProofInvalid(str(error)) from None
    if (manifest.run_id, manifest.revision) != (proof.run_id, proof.revision):
        raise ProofInvalid(f"the manifest is of {manifest.run_id}, revision {manifest.revision}")
    session = records[0]
    leaf = ListedManifest(sha256_of(proof.manifest.encode()), proof.manifest_path).leaf
    root = root_from_path(leaf, proof.index, proof.size, siblings)
    if proof.size != session.manifests or root is None or root != session.manifests_root:
        raise ProofInvalid(f"the manifest is not one that session {session.session} committed")
    heads = _chain(records, [sha256_of(text.encode()) for text in proof.records])
    if head is not None and head not in heads:
        raise ProofInvalid(
            f"no record of it has the digest {head}",
            hint="It was made for another head, or the ledger is not what it was",
        )
    if verifies is not None:
        if proof.signature is None:
            raise ProofInvalid(
                f"the record of session {records[-1].session} is not signed",
                hint="Make the proof up to one that is: `archiver prove --session`",
            )
        if not verifies(proof.signature, proof.records[-1].encode()):
            raise ProofInvalid("the signature is not one of this key for the head's record")
    return Proven(manifest, session, records[-1], heads, proof.signature is not None)


def _chain(records: Sequence[LedgerRecord], digests: Sequence[Sha256]) -> tuple[Sha256, ...]:
    for before, digest, after in zip(records, digests, records[1:], strict=False):
        if (after.previous_session, after.previous_sha256) != (before.session, digest):
            raise ProofInvalid(f"session {after.session} was not written behind {before.session}")
    return tuple(digests)
