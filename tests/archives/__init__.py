"""Archives of every format ever released: kept as they were written, and read by all later code."""
