"""The values and rules that everything speaks of: runs, artifacts, manifests, records, tables.

Reading order, lowest first; a module imports only what stands before it: ``ids``, ``urls``,
``document`` (JSON and typed fields out of it), ``artifact``, ``run``, ``paths``, ``merkle``,
``ledger``, ``manifest``, ``schema`` (tables and views, column by column), ``rows``, ``proof``.
It is pure: it does no I/O, and imports nothing above it.
"""
