"""The chain of records: written, read, signed, stamped, and what follows from it.

Reading order, lowest first; a module imports only what stands before it: ``records``, ``signing``,
``timestamps``, ``decisions`` (hold, release, accept), ``proofs``.
It must not import ``tables`` or anything above it.
"""
