"""Fuzz the parsers of external input: `make fuzz`, or `python -m tests.fuzz 600 body`."""
