"""How fast the tool is, next to what else could do the same: ``python -m tests.benchmarks``."""
