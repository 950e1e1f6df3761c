"""Release the sockets of running servers in a forked process.

A test that forks a worker, as multiprocessing does on Linux, would copy them: a connection that the
server resets would stay open as long as the worker lives, and so would its port.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class SocketOwner(Protocol):
    def socket_numbers(self) -> list[int]:
        """Return the file descriptors of all open sockets."""


socket_owners: WeakSet[SocketOwner] = WeakSet()


def _release_sockets() -> None:
    # The numbers stay in use, since the child has copies of the objects that would close them.
    null = os.open(os.devnull, os.O_RDWR)
    for owner in tuple(socket_owners):
        for number in owner.socket_numbers():
            os.dup2(null, number, inheritable=False)
    os.close(null)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_release_sockets)
