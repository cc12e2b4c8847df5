"""Archives of years of nightly sessions, as large as one likes: ``python -m …nightly --help``."""
