"""A checker of archives that knows ``schemas/README.md`` alone, whose sections it names."""

import contextlib
import hashlib
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

SESSION = r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}"
RUN = r"runs/(?:\d{4}/\d\d/\d\d|undated)/((?:tsk_v2_|tsk_|wr_)[\w-]{1,128})"
IN_RUN = re.compile(r"r[1-9]\d*(/(?!\.{1,2}(/|$))[^/\0]+)+")
KNOWN = re.compile(
    rf"README\.txt|archive\.json|lock|(tmp|browser_sessions|lost\+found)/.*|{RUN}/.*"
    rf"|tables/.*\.parquet|ledger/{SESSION}(\.(json|head|sha256|ids|sig|tsr)|(-\d+)?\.journal)"
)
ARTIFACT = ("run_id", "revision", "kind", "ordinal", "state", "sha256")
FETCH = ("session", "asked_id", "run_id", "outcome", "http_status", "requests", "retries", "bytes")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def root_of(lines: list[bytes]) -> str:  # RFC 9162, 2.1.1
    level = [hashlib.sha256(b"\0" + line).digest() for line in lines]
    while len(level) > 1:
        pairs = [level[n : n + 2] for n in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + b"".join(p)).digest() if p[1:] else p[0] for p in pairs]
    return level[0].hex() if level else sha(b"")


class Checker:
    def __init__(self, root: Path) -> None:
        self.root, self.found = root, list[str]()
        paths = (path for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
        self.files = {path.relative_to(root).as_posix() for path in paths}
        self.records: dict[str, Any] = {}
        self.listed: dict[str, list[str]] = defaultdict(list)
        self.manifests: list[tuple[str, int, Any]] = []
        journals = rf"(tmp|ledger)/{SESSION}(-\d+)?\.journal"  # 7.2, 9
        told = [self.read(path) for path in self.files if re.fullmatch(journals, path)]
        self.journal = {line for text in told for line in text.decode().split("\n")[:-1]}
        self.at_work = {folder.rpartition("/")[0] for folder in self.journal}

    def hold(self, is_so: bool, path: str, problem: str) -> None:
        self.found += [] if is_so else [f"{path}: {problem}"]

    def read(self, path: str) -> bytes:
        is_there = path in self.files and not (self.root / path).is_symlink()
        self.hold(is_there, path, "it is not there")
        return (self.root / path).read_bytes() if is_there else b""

    def json(self, path: str) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            if isinstance(value := json.loads(self.read(path)), dict):
                return value
        self.hold(False, path, "it is no JSON object")
        return {}

    def check(self) -> list[str]:
        self.hold(self.json("archive.json").get("format") in (1, 2), "archive.json", "its format")
        self.check_ledger()
        for path in sorted(self.files):
            self.hold(bool(KNOWN.fullmatch(path)), path, "it is unlisted")  # 10.2
            if match := re.fullmatch(RUN + r"/r([1-9]\d*)/manifest\.json", path):
                manifest, of = self.json(path), (match[1], int(match[2]))
                is_own = of == (manifest.get("run_id"), manifest.get("revision"))  # 4.1
                self.hold(is_own and manifest["format"] == 1, path, "it is of another revision")
                self.manifests += [(path.rsplit("/", 2)[0], of[1], manifest)] if is_own else []
        self.check_files()
        self.check_listed()
        self.check_tables()
        return self.found

    def check_ledger(self) -> None:
        names = [re.fullmatch(rf"ledger/({SESSION})\.json", path) for path in self.files]
        last, first, may_be = "", "", set[str]()
        for session in sorted(match[1] for match in names if match):
            path, before = f"ledger/{session}.json", f"ledger/{last}.json"
            record = self.records[session] = self.json(path)
            stated = (record.get("previous_session"), record.get("previous_sha256"))
            follows = stated == ((last, sha(self.read(before))) if last else (None, None))
            is_own = record.get("session") == session
            self.hold(is_own and follows, before if last else path, f"before {session}")  # 5.2
            files = record.get("files", {})
            for name in (f"ledger/{last}.{ending}" for ending in ("head", "sig", "tsr")):  # 5.7
                self.hold(name not in files or sha(self.read(name)) == files[name], name, "altered")
            first = first or files.get("README.txt", "")
            if (begin := files.get("archive.json")) and (not may_be or begin in may_be):  # 8.3
                may_be = {begin}
            upgrade = record.get("details", {}).get("archive.json", {})
            if record.get("kind") == "upgrade" and upgrade["before"] in may_be:
                may_be.add(upgrade["after"])
            self.check_beside(session, record)
            last = session
        for name, digests in (("archive.json", may_be), ("README.txt", {first} - {""})):
            self.hold(not digests or sha(self.read(name)) in digests, name, "altered")
        for path in self.files:
            if match := re.fullmatch(rf"ledger/({SESSION})\.(head|sha256|ids|sig|tsr)", path):
                killed = match[1] > last and match[2] in ("sha256", "ids")  # 7.5
                self.hold(killed or match[1] in self.records, path, "its record is not there")

    def check_beside(self, session: str, record: dict[str, Any]) -> None:
        if (path := f"ledger/{session}.head") in self.files:  # 5.5
            *lines, own = self.read(path).decode(errors="replace").splitlines(keepends=True)[:4]
            for line in lines:
                digest, _, name = line.rstrip("\n").partition("  ")
                self.hold(sha(self.read(name)) == digest, name, "its head file says another digest")
            self.hold(own == f"# {sha(''.join(lines).encode())}\n", path, "altered")
        path = f"ledger/{session}.sha256"
        if record.get("manifests_root"):  # 5.3
            listed = self.read(path).split(b"\n")[:-1]
            stated = (record["manifests"], record["manifests_root"])
            self.hold((len(listed), root_of(listed)) == stated, path, "not the list of the record")
            for entry in listed:
                digest, _, manifest = entry.decode(errors="replace").partition("  ")
                self.listed[manifest].append(digest)
        if record["ids_asked"] and record["kind"] != "fetch":  # 5.4
            data = self.read(f"ledger/{session}.ids")
            is_so = (data.count(b"\n"), sha(data)) == (record["ids_asked"], record["ids_sha256"])
            self.hold(is_so, f"ledger/{session}.ids", "not the ids of the record")

    def check_files(self) -> None:
        own: set[str] = set()
        pruned = [(run, n, m["pruned"]) for run, n, m in self.manifests if m.get("pruned")]
        gone = {(r, f["path"], f["sha256"]): n for r, n, of in pruned for f in of["files"]}
        for run, number, manifest in self.manifests:
            place, entries = f"{run}/r{number}", manifest["artifacts"]
            files = [f for f in (manifest["document"] or {}, *entries) if f.get("path")]
            own |= {f"{place}/manifest.json", f"{place}/SHA256SUMS"}
            sums = "".join(f"{file['sha256']}  {file['path']}\n" for file in files)  # 3.3
            is_so = not sums or self.read(f"{place}/SHA256SUMS") == sums.encode()
            self.hold(is_so, f"{place}/SHA256SUMS", "not what the manifest says")
            for file in files:
                own.add(path := f"{run}/{file['path']}")
                if gone.get((run, file["path"], file["sha256"]), 0) <= number:  # 4.3, 4.6
                    data = self.read(path) if IN_RUN.fullmatch(file["path"]) else b""
                    is_so = (len(data), sha(data)) == (file["size"], file["sha256"])
                    self.hold(is_so, path, "not the bytes that were stored")
            gaps = any(entry["state"] in ("failed", "mismatch") for entry in entries)
            is_so = manifest["is_complete"] is (manifest["is_settled"] and not gaps)  # 4.4
            self.hold(is_so or not files, f"{place}/manifest.json", "not complete as it says")
        for (run, name, _), number in gone.items():
            is_so = f"{run}/{name}" not in self.files or f"{run}/r{number}" in self.journal
            self.hold(is_so, f"{run}/{name}", "it was removed, and is there")
        for path in self.files - own:  # 3.4, 7.5
            match = re.match(RUN + "(?=/)", path)
            self.hold(not match or match[0] in self.at_work, path, "it is unlisted")

    def check_listed(self) -> None:
        removals = [(m.get("removed") or {}).get("revisions", ()) for *_, m in self.manifests]
        removed = {(one["manifest"], one["sha256"]) for all_ in removals for one in all_}  # 4.5
        for path, digests in self.listed.items():
            run, is_there = path.rsplit("/", 2)[0], path in self.files
            if any((path, digest) in removed for digest in digests):
                self.hold(not is_there or run in self.at_work, path, "removed, and is there")
            else:
                self.hold(is_there and sha(self.read(path)) in digests, path, "not as it is listed")
        for run, number, _ in self.manifests:
            path, is_told = f"{run}/r{number}/manifest.json", f"{run}/r{number}" in self.journal
            self.hold(is_told or path in self.listed, path, "nothing lists it")

    def check_tables(self) -> None:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for path in sorted(path for path in self.files if path.startswith("tables/")):
            data = self.read(path)
            key = data.rfind(b"archiver.sha256")  # 6.3
            place, end = key + 17, key + 17 + 64
            own = sha(data[:place] + b"0" * 64 + data[end:])
            is_so = key < 0 or own.encode() == data[place:end]
            self.hold(is_so, path, "not what was written")
            if is_so:
                rows[path.split("/")[1]] += pq.ParquetFile(self.root / path).read().to_pylist()
        runs = Counter((r["path"], r["run_id"], r["revision"], r["status"]) for r in rows["runs"])
        artifacts = Counter(tuple(row[name] for name in ARTIFACT) for row in rows["artifacts"])
        for run, number, m in self.manifests:
            of = {"run_id": m["run_id"], "revision": number}
            entries = Counter(tuple((of | a)[name] for name in ARTIFACT) for a in m["artifacts"])
            told = runs.pop((f"{run}/r{number}", m["run_id"], number, m["status"]), 0)
            is_so = run in self.at_work or (told == 1 and not entries - artifacts)  # 6.2
            self.hold(is_so, f"{run}/r{number}", "the tables say something else of it")
        for path, *_ in runs:
            self.hold(path.rpartition("/")[0] in self.at_work, path, "only the tables have it")
        lines = defaultdict(list)
        for row in rows["fetches"]:  # 5.8
            texts = ["" if row[name] is None else str(row[name]) for name in FETCH]
            at = (row["at"] - EPOCH) // datetime.resolution
            line = "|".join([*texts, str(round(row["seconds"] * 1e6)), str(at)])
            lines[row["session"]].append(hashlib.sha256(line.encode()).digest())
        for session, record in self.records.items():
            of_session = sorted(lines[session])
            stated = (record.get("fetches") or 0, record.get("fetches_sha256") or sha(b""))
            is_so = stated == (len(of_session), sha(b"".join(of_session)))
            self.hold(is_so, f"ledger/{session}.json", "its fetches are not those of the table")
