"""Ids in, outcomes out: fetch, reindex, verify."""
