"""Handing over: packages for people, tables for other programs.

Reading order, lowest first; a module imports only what stands before it: ``content``, ``crate``,
``how_to_check`` (all pure), ``targets``, ``pack``, ``tables``, ``package``.
It must not import another feature, or anything above the features.
"""
