"""Answers: SQL, one run, reports, and their page.

Reading order, lowest first; a module imports only what stands before it: ``live`` (views that
follow an archive that is written to), ``sql``, ``show``, ``reports``, ``page``.
It must not import another feature, or anything above the features.
"""
