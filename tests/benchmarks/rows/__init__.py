"""The rows of the table: each makes its data, compares, checks, and tidies up behind itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.benchmarks.comparing import Line
from tests.benchmarks.rows import (
    command,
    documents,
    downloads,
    memory,
    metadata,
    reports,
    transports,
    verifying,
)
from tests.benchmarks.surroundings import Setting


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; ``run`` gives its lines of the table."""

    name: str
    what: str
    run: Callable[[Setting], Iterator[Line]]


ROWS = (
    Row("one-recording", "one run with a recording of 1 GiB, against aria2c", downloads.one),
    Row("sixteen-runs", "16 runs of 64 MiB each, against aria2c -j16", downloads.sixteen),
    Row("many-files", "2,000 runs of five files of 100 KB, against aria2c -j16", downloads.many),
    Row("metadata", "the metadata of 5,000 runs, against httpx and Skyvern's SDK", metadata.rates),
    Row("documents", "100,000 documents of 6 KB into Parquet on one core", documents.projected),
    Row("held", "a second fetch of 1,000,000 ids that are held complete", documents.held),
    Row("reports", "reports on 1,000,000 runs, against DuckDB's own tables", reports.answers),
    Row("verify", "all of 20,000 runs checked, against sha256sum", verifying.archive_checked),
    Row("help", "archiver --help, against python -c 'import click'", command.help_page),
    Row("cpu", "CPU for each downloaded GiB, against openssl dgst -sha256", downloads.cpu),
    Row("memory", "peak memory of 32 large downloads at once", memory.at_once),
    Row("transport", "the HTTP transport alone, against httpx's and pyreqwest's", transports.alone),
)
