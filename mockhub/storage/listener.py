"""Listen to the notifications of other servers on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg

from mockhub.storage.database import CHANNEL

_INTERVAL = 0.5  # seconds after which it looks whether it was closed


class Listener:
    """A thread that calls a function with the name of each hub that another server has changed.

    Args:
        url: The database.
        on_notification: Called with the name, or an empty text for the list of hubs.
    """

    def __init__(self, url: str, on_notification: Callable[[str], object]) -> None:
        self._url = url
        self._on_notification = on_notification
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="mockhub-listener", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except psycopg.Error:  # the requests report that the database is not available
                self._closed.wait(1)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._closed.is_set():
                for notification in connection.notifies(timeout=_INTERVAL):
                    if self._closed.is_set():
                        return
                    self._on_notification(notification.payload)
