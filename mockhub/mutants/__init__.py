"""Mutants, servers with one deliberate defect, and conforming variants, to test the contract suite.

The suite has to kill every mutant and must not flag a variant.
"""
