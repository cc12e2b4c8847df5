"""The archive's folder on disk: files set aside, committed, locked, removed.

Reading order, lowest first; a module imports only what stands before it: ``staging``, ``names``
(which are the tool's own), ``storage``, ``scan``, ``archive_file`` (what an archive begins with),
``lock`` (one writer at a time), ``continuity`` (whether the last writer was at work here),
``revisions`` (prepare and commit), ``tombstones`` (what stays of a removed run).
It must not import ``ledger``, ``tables``, or anything above them.
"""
