"""How results are shown: for people on a terminal, and for programs.

Reading order, lowest first; a module imports only what stands before it: ``text``, ``pager``,
``markdown``, ``progress``, ``wide``, ``values``, ``tables``, ``formats``, ``report``, ``preview``,
``verdict``, ``session``.
It must not import ``actions``, ``commands`` or ``prompt``.
"""
