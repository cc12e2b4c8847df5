"""Parquet written, merged and rewritten, and read by DuckDB.

Reading order, lowest first; a module imports only what stands before it: ``write`` (rows become
files with a digest of themselves), ``files``, ``merge``, ``connect``, ``pin``, ``reasons``,
``views`` (a connection with the archive's views), ``lookup`` (what the archive has of ids),
``choose`` (runs by ids or by a condition), ``fetch_log``, ``rewrite``, ``rebuild`` (reindex).
It must not import ``session`` or any feature.
"""
