"""Checking an archive: is what is there what was stored, and is everything there that should be.

Files are held against manifests, manifests against the ledger, rows of the tables against
manifests; what nothing lists is named. Nothing is changed but the history of checks.

Reading order, lowest first; a module imports only those before it: ``findings`` (what is found, as
values), ``compare`` (the catalogue of all that is said of revisions, in DuckDB), ``walk`` (which
files and folders belong where), ``removed`` (what tombstones and rules took away), ``revisions``
(files against manifests, in a worker), ``ledger`` (the chain, its lists, signatures, journals),
``committed`` (manifests against the ledger), ``table_files`` (the files of the tables), ``tables``
(rows against manifests), ``completeness`` (what could not be had), ``history`` (what a check leaves
in the archive), ``verify`` (all of it, in order).

What belongs in the archive's own folder stands in ``walk``, what lies beside records and where
journals lie in ``ledger``: nowhere else is it decided.

It must not import ``fetch``, ``retention``, ``export``, ``query``, or anything above them.
"""
