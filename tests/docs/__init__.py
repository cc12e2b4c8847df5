"""README and the pages that come with the package: their examples run, their links lead somewhere.

``python -m tests.docs.examples``, ``.reference`` and ``.picture`` write anew what is made of
commands.
"""
