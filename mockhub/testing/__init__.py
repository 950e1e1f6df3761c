"""A hub in the hand of a test: its money, its time, its faults, and what the client did.

Nothing is imported here: the plugin takes from this package, in sessions that never use a hub.
"""
