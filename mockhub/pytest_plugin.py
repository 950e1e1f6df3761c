"""The pytest plugin; the entry point imports this in every session, so it imports nothing."""
