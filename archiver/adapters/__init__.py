"""One outside thing each: the API, storage, the downloader, Parquet, DuckDB."""
