"""The command ``archiver``: parse, build, run, render, exit."""
