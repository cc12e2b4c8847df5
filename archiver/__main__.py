"""``python -m archiver``."""

from archiver.cli.main import main

main()
