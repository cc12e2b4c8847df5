"""Signatures and time stamps of the ledger, checked with openssl and ssh-keygen."""

import errno
import json
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.archive_folder import ArchiveFolder
from tests.cli.running import Command, Fetch
from tests.lying_server import LyingServer, task_run


@pytest.fixture
def run_id(server: LyingServer) -> str:
    return server.add_run(task_run("tsk_1"))


@pytest.fixture
def key(archiver: Command, tmp_path: Path) -> Path:
    archiver("keygen", tmp_path / "key")
    return tmp_path / "key"


def openssl(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_openssl_checks_the_signature(
    archiver: Command, fetch: Fetch, archive: ArchiveFolder, run_id: str, key: Path
) -> None:
    session = fetch(run_id, "--sign-key", key).json["session"]
    record = archive.root / "ledger" / f"{session}.json"
    signature = record.with_suffix(".sig")
    check = ("pkeyutl", "-verify", "-pubin", "-inkey", f"{key}.pub", "-rawin")
    assert openssl(*check, "-in", record, "-sigfile", signature).returncode == 0
    record.write_bytes(record.read_bytes() + b" ")
    assert openssl(*check, "-in", record, "-sigfile", signature).returncode != 0
    shown = archiver("ledger", "--json").json["records"]
    assert [(r["signed"], r["stamped"]) for r in shown] == [(True, False)]


def test_a_key_is_its_owners_alone(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "PRIVATE" not in key.with_name("key.pub").read_text()


def test_a_key_is_never_overwritten(archiver: Command, key: Path) -> None:
    before = key.read_bytes()
    assert "there already" in archiver("keygen", key, code=2).err
    key.unlink()
    assert "there already" in archiver("keygen", key, code=2).err
    assert not key.exists()
    assert before
    archiver("keygen", key.parent / "no" / "folder", code=2)


def test_a_key_of_ssh_keygen_will_do(
    archiver: Command, fetch: Fetch, run_id: str, tmp_path: Path
) -> None:
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    fetch(run_id, "--sign-key", key)
    proof = tmp_path / "proof.json"
    archiver("prove", run_id, "--output", proof)
    assert "valid signature" in archiver("check-proof", proof, "--public-key", f"{key}.pub").out
    archiver("keygen", tmp_path / "another")
    ran = archiver("check-proof", proof, "--public-key", tmp_path / "another.pub", code=4)
    assert "not one of this key" in ran.err


def test_a_proof_up_to_a_record_without_signature(
    archiver: Command, fetch: Fetch, run_id: str, key: Path, tmp_path: Path
) -> None:
    signed = fetch(run_id, "--sign-key", key).json["session"]
    fetch(run_id)
    proof, public = tmp_path / "proof.json", f"{key}.pub"
    archiver("prove", run_id, "--output", proof)
    assert "not signed" in archiver("check-proof", proof, "--public-key", public, code=4).err
    archiver("prove", run_id, "--output", proof, "--overwrite", "--session", signed)
    archiver("check-proof", proof, "--public-key", public)


def test_an_encrypted_key(
    archiver: Command,
    fetch: Fetch,
    run_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARCHIVER_KEY_PASSPHRASE", "open sesame")
    archiver("keygen", tmp_path / "key")
    assert "ENCRYPTED" in (tmp_path / "key").read_text()
    fetch(run_id, "--sign-key", tmp_path / "key")
    monkeypatch.setenv("ARCHIVER_KEY_PASSPHRASE", "wrong")
    assert "passphrase" in fetch(run_id, "--sign-key", tmp_path / "key", code=2).err
    monkeypatch.delenv("ARCHIVER_KEY_PASSPHRASE")
    assert "ARCHIVER_KEY_PASSPHRASE" in fetch(run_id, "--sign-key", tmp_path / "key", code=2).err


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("no key"),
        lambda path: path.mkdir(),
        lambda path: openssl("genpkey", "-algorithm", "RSA", "-out", path),
        lambda path: openssl("genpkey", "-algorithm", "ED448", "-out", path),
        lambda path: None,
    ],
)
def test_what_is_no_key_is_told_before_anything_is_fetched(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, tmp_path: Path, make: object
) -> None:
    assert callable(make)
    make(tmp_path / "key")
    ran = fetch(run_id, "--sign-key", tmp_path / "key", code=2)
    assert str(tmp_path / "key") in ran.err
    assert not archive.root.exists()


class Authority:
    """A time stamp authority made with openssl, that can be told to lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer: bytes | None = None
        self.status = 200
        config = folder / "tsa.cnf"
        config.write_text(
            "[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=Authority\n"
            "[ext]\nextendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n"
            "basicConstraints=CA:false\n[ca]\nbasicConstraints=critical,CA:true\n"
            "keyUsage=critical,keyCertSign\n"
            "[tsa]\ndefault_tsa=one\n[one]\nserial=serial\nsigner_cert=tsa.pem\ncerts=ca.pem\n"
            "signer_key=tsa.key\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\n"
            "digests=sha256\nordering=no\ntsa_name=no\ness_cert_id_chain=no\n"
        )
        (folder / "serial").write_text("01\n")
        new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        for arguments in (
            (*new, "-x509", "-days", "9", "-keyout", "ca.key", "-out", "ca.pem", "-subj",
             "/CN=Root", "-config", "tsa.cnf", "-extensions", "ca"),
            (*new, "-keyout", "tsa.key", "-out", "tsa.csr", "-config", "tsa.cnf"),
            ("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "9",
             "-CAcreateserial", "-extfile", "tsa.cnf", "-extensions", "ext", "-out", "tsa.pem"),
        ):  # fmt: skip
            ended = openssl(*arguments, cwd=folder)
            assert ended.returncode == 0, ended.stderr

    def stamp(self, request: bytes) -> bytes:
        (self.folder / "request.tsq").write_bytes(request)
        reply = ("ts", "-reply", "-queryfile", "request.tsq", "-out", "reply.tsr")
        ended = openssl(*reply, "-config", "tsa.cnf", "-section", "one", cwd=self.folder)
        assert ended.returncode == 0, ended.stderr
        return (self.folder / "reply.tsr").read_bytes()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "tsa"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            assert self.headers["Content-Type"] == "application/timestamp-query"
            assert "x-api-key" not in self.headers
            request = self.rfile.read(int(self.headers["Content-Length"]))
            body = authority.answer if authority.answer is not None else authority.stamp(request)
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The tests say what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/stamp?secret=hunter2"
        listening.shutdown()
        thread.join()


def test_openssl_checks_the_time_stamp(
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    authority: Authority,
    url: str,
) -> None:
    session = fetch(run_id, "--tsa-url", url).json["session"]
    record = archive.root / "ledger" / f"{session}.json"
    check = ("ts", "-verify", "-in", record.with_suffix(".tsr"), "-CAfile",
             authority.folder / "ca.pem", "-data")  # fmt: skip
    assert openssl(*check, record).returncode == 0
    assert openssl(*check, authority.folder / "tsa.cnf").returncode != 0
    assert b"hunter2" not in record.read_bytes()
    assert archiver("ledger", "--json").json["records"][0]["stamped"] is True


def test_without_a_time_stamp_the_session_counts_all_the_same(
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    authority: Authority,
    url: str,
) -> None:
    for status, answer in ((200, b"no stamp"), (500, b""), (200, b""), (302, b"")):
        authority.status, authority.answer = status, answer
        ran = fetch(run_id, "--tsa-url", url, code=3)
        assert "time stamp" in ran.err
        assert "hunter2" not in ran.err
        assert ran.json["head"] is not None
    authority.status, authority.answer = (
        200,
        authority.stamp(_request(authority.folder, b"something else")),
    )
    assert "stamped something else" in fetch(run_id, "--tsa-url", url, code=3).err
    assert not list(archive.root.glob("ledger/*.tsr"))
    assert fetch(run_id, "--tsa-url", "http://127.0.0.1:1/x", code=3).json["head"] is not None
    assert "http" in fetch(run_id, "--tsa-url", "ftp://127.0.0.1/", code=2).err
    archiver("verify")


def _request(folder: Path, data: bytes) -> bytes:
    (folder / "data").write_bytes(data)
    openssl("ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "other.tsq", cwd=folder)
    return (folder / "other.tsq").read_bytes()


def test_workers_have_no_part_in_the_signature(
    fetch: Fetch, archive: ArchiveFolder, server: LyingServer, key: Path
) -> None:
    ids = [server.add_run(task_run(f"tsk_{number}")) for number in range(1, 511)]
    summary = fetch(*ids, "--workers", "2", "--sign-key", key).json
    assert summary["runs"]["fetched"] == 510
    record = archive.root / "ledger" / f"{summary['session']}.json"
    assert record.with_suffix(".sig").stat().st_size == 64
    assert json.loads(record.read_text())["manifests"] == 510


def test_verify_demands_signatures_and_stamps(
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    key: Path,
    authority: Authority,
    url: str,
) -> None:
    fetch(run_id)
    public, roots = ("--public-key", f"{key}.pub"), ("--tsa-ca", authority.folder / "ca.pem")
    assert "no record has a signature" in archiver("verify", *public, code=4).err
    assert "no record has a time stamp" in archiver("verify", *roots, code=4).err
    fetch(run_id, "--sign-key", key, "--tsa-url", url)
    archiver("verify", *public, *roots, "--no-record")
    fetch(run_id)
    ran = archiver("verify", *public, "--no-record")
    assert "1 records are not covered" in ran.err + ran.out
    newest = fetch(run_id, "--sign-key", key).json["session"]
    ran = archiver("verify", *public, "--no-record", "--json")
    assert any("of their own, but of a later one" in note for note in ran.json["notes"])
    signature = archive.root / "ledger" / f"{newest}.sig"
    signature.unlink()
    signature.mkdir()
    ran = archiver("verify", *public, "--no-record", "--json", code=4)
    paths = [one["path"] for one in ran.json["integrity"]["findings"]]
    assert paths == [str(signature.relative_to(archive.root))]
    assert ".sig" in archiver("prove", run_id, code=4).err
    signature.rmdir()
    archiver("keygen", key.with_name("another"))
    ran = archiver("verify", "--public-key", key.with_name("another.pub"), "--no-record", code=4)
    assert ".sig" in ran.err
    other = authority.folder / "tsa.pem"
    ran = archiver("verify", "--tsa-ca", other, "--no-record", code=None)
    assert ran.code in (0, 4)
    archiver("verify", "--public-key", "nowhere", code=2)
    archiver("verify", "--tsa-ca", key, code=2)


@pytest.mark.parametrize("ending", [".sig", ".tsr", ".head"])
@pytest.mark.parametrize("is_last", [True, False])
def test_harm_to_what_lies_beside_a_record_is_found_without_any_key(
    archiver: Command,
    fetch: Fetch,
    archive: ArchiveFolder,
    run_id: str,
    key: Path,
    url: str,
    ending: str,
    is_last: bool,
) -> None:
    session = fetch(run_id, "--sign-key", key, "--tsa-url", url).json["session"]
    if not is_last:
        fetch(run_id)
    archiver("verify", "--no-record")
    path = archive.root / "ledger" / f"{session}{ending}"
    whole = path.read_bytes()
    for bit in range(0, len(whole) * 8, max(1, len(whole) * 8 // 5)):
        harmed = bytearray(whole)
        harmed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(harmed)
        assert found(archiver) == [f"ledger/{path.name}"], bit
    path.unlink()
    # Of the last head nothing speaks: a session that was killed leaves none.
    is_silent = is_last and ending == ".head"
    assert found(archiver) == ([] if is_silent else [f"ledger/{path.name}"])
    for name in Path(archive.root, "ledger").glob(f"{session}.*"):
        name.unlink()
    assert found(archiver) == [f"ledger/{session}.json"]


def found(archiver: Command) -> list[str]:
    ran = archiver("verify", "--no-record", "--quick", "--json", code=None)
    return [one["path"] for one in ran.json["integrity"]["findings"]]


def test_sha256sum_checks_a_record_and_what_lies_beside_it(
    fetch: Fetch, archive: ArchiveFolder, run_id: str, key: Path, url: str
) -> None:
    session = fetch(run_id, "--sign-key", key, "--tsa-url", url).json["session"]
    check = ("sha256sum", "--check", "--strict", f"ledger/{session}.head")
    ran = subprocess.run(check, cwd=archive.root, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    names = [line.partition(":")[0] for line in ran.stdout.splitlines()]
    assert names == [f"ledger/{session}{ending}" for ending in (".json", ".sig", ".tsr")]


@pytest.mark.parametrize("refused", [1, 2])
def test_keygen_on_a_full_disk_leaves_no_key(
    archiver: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    fsync, left = os.fsync, [refused]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    folder = tmp_path / "keys"
    folder.mkdir()
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        ran = archiver("keygen", folder / "key", code=None)
    assert ran.code
    assert "No space left" in ran.err
    assert list(folder.iterdir()) == []
    archiver("keygen", folder / "key")
