"""What the commands do, each in a module with a frozen class of what the command was given.

Reading order, lowest first: ``show``, ``reindex``, ``query``, ``report``, ``proof`` (which must
stay light: a proof is checked where there is no archive), ``ledger``, ``hold``, ``remove``,
``export``, ``verify``, ``fetch``, ``demo``. What is heavy stands at the top of a module;
imported late is only what comes with an extra, and what few calls need. An action returns its exit
code, and raises what ``main`` makes a message of. It must not import ``commands``.
"""
