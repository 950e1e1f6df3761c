"""Handlers of the control plane: one function for each operation of control.yaml, by its id."""
