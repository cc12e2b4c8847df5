"""README's queries are run as they stand there, and must print what stands there."""
