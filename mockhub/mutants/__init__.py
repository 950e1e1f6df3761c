"""Deliberate defects of our own server, and conforming servers that read open points otherwise.

They prove the contract suite: it has to catch every mutant and to flag no variant.
"""
