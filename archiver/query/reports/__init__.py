"""The ready-made reports: each a function from a connection to tables.

Reading order, lowest first; a module imports only what stands before it: ``options`` (pure: which
reports there are, what they may be asked), ``parts``, ``artifacts``, ``durations``, ``failures``,
``flaky``, ``overview``, ``sessions``, ``trends``, ``run``.
"""
