"""The report as a page: one file of HTML that a browser shows from disk, without a network."""
