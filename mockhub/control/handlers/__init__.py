"""What the control plane does, a function for each operation of control.yaml, by its name."""
