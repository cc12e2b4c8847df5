"""The prompt of ``archiver query``: SQL over many lines, with history and completion.

Reading order, lowest first; a module imports only what stands before it: ``answer`` (which
questions from the shell use too), ``commands``, ``completion``, ``prompt``. It must not
import ``actions``.
"""
