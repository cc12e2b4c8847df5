"""The command ``archiver``: parse, do, render, exit.

A command is declared in ``commands``, which ``--help`` imports and nothing heavy with it; what it
does stands in ``actions``, and how that is shown in ``output``. Reading order, lowest first; a
module imports only what stands before it:

* ``param_types``, ``config``, ``command``, ``options``: what the command line is made of
* ``output``: results, reports, verdicts and progress, for people and for programs
* ``actor``, ``signing``, ``id_files``, ``run_ids``, ``signals``, ``streams``: what actions share
* ``prompt``: the prompt of ``archiver query``
* ``actions``: what the commands do
* ``commands``: what the commands take, and their help; an action is imported when it is called
* ``main``: the program, and where errors become exit codes

Nothing else in the package imports this folder.
"""
