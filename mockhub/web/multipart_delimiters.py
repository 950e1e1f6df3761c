"""Find the delimiters of a multipart body, and remove what RFC 2046 allows around them.

python-multipart reads neither a preamble before the first delimiter nor blanks behind one.
"""

from __future__ import annotations

import re

_BLANKS = re.compile(rb"[ \t]*")
_MAX_BLANKS = 256  # that are removed behind a delimiter; more are an error of the form


class DelimiterNormalizer:
    """Removes the preamble, and the blanks behind a delimiter, from a body in chunks.

    Attributes:
        started: Whether the first delimiter was found.
    """

    def __init__(self, boundary: bytes) -> None:
        self.started = False
        self._delimiter = b"\r\n--" + boundary
        self._rest = b"\r\n"  # the first delimiter needs no line before it

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be parsed by now; the beginning of a possible delimiter is kept."""
        data, position, pieces = self._rest + chunk, 0, []
        rest = len(data) - len(self._delimiter) + 1
        while (found := data.find(self._delimiter, position)) >= 0:
            end = found + len(self._delimiter)
            behind = _end_of_blanks(data, end)
            if behind == len(data) and behind - end <= _MAX_BLANKS:
                rest = found  # more blanks may follow
                break
            begin = position if self.started else found
            self.started = True
            pieces.append(data[begin:end])
            is_padding = behind - end <= _MAX_BLANKS and data.startswith(b"\r", behind)
            position = behind if is_padding else end
        rest = max(rest, position)
        if self.started:
            pieces.append(data[position:rest])
        self._rest = data[rest:]
        return b"".join(pieces)

    def finish(self) -> bytes:
        """Return what is left at the end of the body."""
        begins = self.started or self._rest.startswith(self._delimiter)
        return self._rest if begins else b""


def _end_of_blanks(data: bytes, start: int) -> int:
    match = _BLANKS.match(data, start)
    return match.end() if match else start
