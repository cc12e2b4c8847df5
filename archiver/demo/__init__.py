"""A small Skyvern-compatible server on loopback with a dozen runs.

For trying the archiver without an account. Nothing here but the standard library is needed.

Reading order, lowest first; a module imports only what stands before it: ``runs``, ``server``.
"""
