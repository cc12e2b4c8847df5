"""Keeps what Skyvern browser runs left behind."""

__version__ = "0.1.0"
