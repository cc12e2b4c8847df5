"""``archiver fetch``: ids in, revisions and rows out.

Reading order, lowest first; a module imports only what stands before it: ``limits``, ``plan``
(pure), ``http``, ``answer``, ``events`` (what happens, as values), ``options``, ``revision``
(pure), ``artifacts``, ``run`` (one run, from its id to what is to be committed), ``pipeline``,
``preview``, ``workers``, ``session``.
It must not import another feature, or anything above the features.
"""
