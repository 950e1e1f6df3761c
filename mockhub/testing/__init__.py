"""The implementation of the pytest plugin, and the public `Hub`.

Imports nothing here: the plugin imports this package in sessions that never use a hub.
"""
