"""Keeping and forgetting: hold, release, prune, erase.

Reading order, lowest first; a module imports only what stands before it: ``rules`` (pure),
``hold``, ``history`` (what there is of runs), ``prune``, ``removal``, ``candidates`` (which runs
are meant), ``disposal`` (the session of prune and erase).
It must not import another feature, or anything above the features.
"""
