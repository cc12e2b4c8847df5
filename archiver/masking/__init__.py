"""What must never be written: credentials, signed links, and what the user wants kept nowhere.

Reading order, lowest first; a module imports only what stands before it: ``names`` (of secrets),
``fields`` (the API's own fields), ``texts`` (of a document), ``secrets``, ``folding`` (of texts),
``matching`` (patterns and JSON paths), ``redaction``.
It must not import anything above ``model``.
"""
