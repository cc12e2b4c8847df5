"""The command, in a world where little is much already; processes that it starts live there too."""

import archiver.fetch.http.retry
import archiver.fetch.pipeline
import archiver.fetch.session
import archiver.fetch.workers
from archiver.cli.main import main

vars(archiver.fetch.session)["MANY"] = 20
vars(archiver.fetch.workers)["_SMALLEST"] = 5
vars(archiver.fetch.http.retry)["MOST_PAUSES"] = 1.0
vars(archiver.fetch.pipeline)["VERY_LARGE"] = 100_000
vars(archiver.fetch.pipeline)["GRACE_SECONDS"] = 1.0
vars(archiver.fetch.workers)["GRACE_SECONDS"] = 1.0

if __name__ == "__main__":
    main()
