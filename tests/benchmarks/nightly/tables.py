"""The rows of ``errors``, ``fetches`` and ``documents`` for rows of ``runs``."""

import json
from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.model.schema import DOCUMENTS, ERRORS, FETCHES
from archiver.tables.write import arrow_schema
from tests.benchmarks.nightly.columns import (
    Integers,
    as_text,
    joined,
    numbers,
    texts,
)

_CHUNK = 8_192
_ITEMS = 20_000
_REST_BYTES = 1_060
"""Of a document, besides its items."""
_NOT_FOUND = 0.004


def errors(runs: pa.Table) -> pa.Table:
    """A row for each error code of the runs."""
    rows = [
        (run_id, revision, ordinal, code, f"The page said so ({code}).", 0.9, None)
        for run_id, revision, codes in zip(
            *(runs[name].to_pylist() for name in ("run_id", "revision", "error_codes")), strict=True
        )
        for ordinal, code in enumerate(codes, 1)
    ]
    whole = [(*row[:6], json.dumps({"error_code": row[3], "reasoning": row[4]})) for row in rows]
    schema = arrow_schema(ERRORS)
    columns = list(zip(*whole, strict=True)) or [()] * len(schema)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def fetches(runs: pa.Table, chance: np.random.Generator) -> pa.Table:
    """A row for each revision, and for some ids of which there was none; in no order."""
    count = runs.num_rows
    run_ids = runs["run_id"].combine_chunks()
    # Half of the tsk_v2_… runs are asked for under a wr_… id.
    asked = pc.if_else(
        pa.array(numbers(runs["step_count"].fill_null(0)) % 2 == 0),
        pc.replace_substring_regex(run_ids, "^tsk_v2_", "wr_"),
        run_ids,
    )
    settled = numbers(runs["is_settled"]).astype(np.int64)
    found: dict[str, pa.Array] = {
        "session": runs["session"].combine_chunks(),
        "asked_id": asked,
        "run_id": run_ids,
        "outcome": texts(("unfinished", "fetched"), settled),
        "http_status": pa.array(np.full(count, 200)),
        "reason": pa.nulls(count, pa.string()),
        "requests": pa.array(chance.integers(1, 8, count)),
        "retries": pa.array((chance.random(count) < 0.02).astype(np.int64)),
        "bytes": pa.array(chance.integers(10_000, 10_000_000, count) * settled),
        "seconds": pa.array(chance.lognormal(0, 1, count)),
        "at": runs["fetched_at"].combine_chunks(),
    }
    missing = np.flatnonzero(chance.random(count) < _NOT_FOUND)
    kind = chance.integers(0, 2, len(missing))
    odd = {name: column.take(pa.array(missing)) for name, column in found.items()} | {
        "asked_id": joined("tsk_", as_text(chance.integers(6 * 10**17, 7 * 10**17, len(missing)))),
        "run_id": pa.nulls(len(missing), pa.string()),
        "outcome": texts(("not_found", "failed"), kind),
        "http_status": pa.array(np.where(kind == 0, 404, 503)),
        "reason": texts(("the API does not know it", "HTTP 503 from the API"), kind),
        "bytes": pa.array(np.zeros(len(missing), np.int64)),
    }
    schema = arrow_schema(FETCHES)
    return pa.concat_tables(
        pa.table([columns[name] for name in schema.names], schema=schema)
        for columns in (found, odd)
    )


def documents(runs: pa.Table, size: int, chance: np.random.Generator) -> Iterator[pa.Table]:
    """The rows of ``documents``, of about ``size`` bytes where the run was completed."""
    for first in range(0, runs.num_rows, _CHUNK):
        yield _documents(runs.slice(first, _CHUNK), size, chance)


_TIMES = ("created_at", "queued_at", "started_at", "finished_at", "modified_at")
_AS_THEY_ARE = (
    *("run_id", "run_type", "status", "title", "failure_reason", "step_count", "app_url"),
    *("request_prompt", "request_url", "request_engine", "request_max_steps", "workflow_id"),
)
_OF_JSON = ("request_data_extraction_schema", "request_parameters")


def _documents(runs: pa.Table, size: int, chance: np.random.Generator) -> pa.Table:
    pool, starts = _items()
    count = max(1, (size - _REST_BYTES) * _ITEMS // len(pool.encode()))
    firsts = chance.integers(0, _ITEMS - count, runs.num_rows).tolist()
    plain = [runs[name].to_pylist() for name in (*_AS_THEY_ARE, *_OF_JSON)]
    instants = [pc.strftime(runs[name], "%Y-%m-%dT%H:%M:%S").to_pylist() for name in _TIMES]
    outputs: list[str | None] = []
    whole = []
    for first, status, *values in zip(firsts, plain[2], *plain, *instants, strict=True):
        output = None
        if status == "completed":
            items = pool[starts[first] : starts[first + count] - 1]
            output = f'{{"invoices":[{items}],"count":{count}}}'
        outputs.append(output)
        whole.append(_document(output or "null", values))
    columns = {
        "run_id": runs["run_id"],
        "revision": runs["revision"],
        "output": pa.array(outputs, pa.string()),
        "document": pa.array(whole, pa.string()),
        "session": runs["session"],
        "fetched_at": runs["fetched_at"],
    }
    schema = arrow_schema(DOCUMENTS)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _document(output: str, values: list[object]) -> str:
    run_id, run_type, status, title, reason, steps, app_url, *asked = values[:-5]
    prompt, url, engine, max_steps, workflow, schema, parameters = asked
    created, queued, started, finished, modified = values[-5:]
    return (
        f'{{"run_id":"{run_id}","status":"{status}","output":{output},"downloaded_files":[],'
        f'"recording_url":null,"screenshot_urls":[],"failure_reason":{_json(reason)},'
        f'"created_at":{_json(created)},"modified_at":{_json(modified)},"queued_at":'
        f'{_json(queued)},"started_at":{_json(started)},"finished_at":{_json(finished)},'
        f'"app_url":"{app_url}","browser_session_id":null,"browser_profile_id":null,'
        f'"max_screenshot_scrolls":null,"script_run":null,"errors":[],"step_count":{_json(steps)},'
        f'"run_type":"{run_type}","title":{_json(title)},"run_request":{{"prompt":{_json(prompt)},'
        f'"url":{_json(url)},"engine":{_json(engine)},"max_steps":{_json(max_steps)},'
        f'"workflow_id":{_json(workflow)},"data_extraction_schema":{schema or "null"},'
        f'"parameters":{parameters or "null"},"webhook_url":null,"totp_url":null,'
        '"totp_identifier":null,"error_code_mapping":null,"browser_address":null,"model":null,'
        '"publish_workflow":false,"include_action_history_in_verification":false}}'
    )


_json = json.JSONEncoder(ensure_ascii=False).encode


@cache
def _items() -> tuple[str, Integers]:
    """Very many items as JSON, a comma behind each, and where each begins."""
    chance = np.random.default_rng(0)
    totals = chance.integers(0, 10**7, _ITEMS).tolist()
    customers = ("Müller & Söhne", "Acme Corporation", "株式会社例", "Łódź Trading", "O'Neill Ltd")
    items = [
        f'{{"number":"INV-{total * 7_919 % 10**9:09d}","customer":"{customers[total % 5]}",'
        f'"issued":"2026-{total % 12 + 1:02d}-{total % 28 + 1:02d}","total":{total / 100},'
        f'"paid":{"true" if total % 3 else "false"}}},'
        for total in totals
    ]
    return "".join(items), np.cumsum([0, *map(len, items)])
