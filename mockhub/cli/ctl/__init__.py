"""`mockhub ctl`: the control plane of a running server, from a shell."""

from mockhub.cli.ctl.commands import ctl

__all__ = ["ctl"]
