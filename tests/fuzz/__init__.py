"""What reads a stranger's text, fuzzed: `make fuzz`, or `python -m tests.fuzz 600 coerce`."""
