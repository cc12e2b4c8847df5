"""The commands: their options, examples and exit codes, each in the file of its name.

A module imports click, ``cli.command``, ``cli.options``, ``cli.param_types``, and of the features
only names that take no time (reports and their groups): ``archiver --help`` imports them all. A
command hands its options over to the module of its name in ``actions``, imported when it is called.
``ledger`` has ``prove``, ``check-proof`` and ``keygen`` too, ``hold`` has ``release`` and
``accept``, ``remove`` has ``prune`` and ``erase``. ``help`` shows its pages itself: they are files
of the package. None of them imports another.
"""
