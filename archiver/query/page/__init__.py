"""The page of a report: one HTML file that needs no network.

Reading order, lowest first; a module imports only what stands before it: ``timeline`` (pure),
``wording``, ``charts``, ``content``, ``facts`` (all numbers), ``overview``, ``outcomes``,
``durations``, ``failures``, ``build``, ``page``. All but ``page`` and ``timeline`` need the extra
``html``.
"""
