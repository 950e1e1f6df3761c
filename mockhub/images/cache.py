"""A cache of rendered images."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from mockhub.images import renderer
from mockhub.images.image_spec import ImageSpec

MAX_CACHE_BYTES = 64 * 1024 * 1024


_Key = tuple[ImageSpec, int | None]


class ImageCache:
    """A thread-safe cache of image files, which evicts the least recently used ones."""

    def __init__(self, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self._lock = Lock()
        self._entries: OrderedDict[_Key, bytes] = OrderedDict()

    def peek(self, spec: ImageSpec, width: int | None = None) -> bytes | None:
        """Return the image if it is cached."""
        key = (spec, width)
        with self._lock:
            if (data := self._entries.get(key)) is not None:
                self._entries.move_to_end(key)
            return data

    def get(self, spec: ImageSpec, width: int | None = None) -> bytes:
        """Return the image, rendered if it is not cached, at another *width* if one is given."""
        if (data := self.peek(spec, width)) is not None:
            return data
        options = {} if width is None else {"width": width}
        data = renderer.render(spec, **options)  # outside the lock, so that others need not wait
        self._store((spec, width), data)
        return data

    def _store(self, key: _Key, data: bytes) -> None:
        with self._lock:
            if len(data) > self.max_bytes or key in self._entries:
                return
            self._entries[key] = data
            self.size_bytes += len(data)
            while self.size_bytes > self.max_bytes:
                self.size_bytes -= len(self._entries.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._entries)
