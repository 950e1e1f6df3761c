"""Find API keys in text, also encoded ones, and replace them before the text leaves (AUTH-7)."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from string import ascii_lowercase, ascii_uppercase

REDACTED = "[redacted]"

_MIN_FRAGMENT = 12  # characters of a key that must not be shown
_MIN_TOKEN, _MAX_TOKEN = 8, 500  # characters of a token that is searched literally
_MIN_RUN = 28  # characters without a blank; whole keys are longer, in every encoding
_MAX_DEPTH = 4  # encodings within encodings
_MAX_CACHED = 2000  # bytes of a text whose runs are cached: headers repeat, bodies do not
_MAX_SEARCHED_RUN = 64  # letters and digits; longer ones, such as encoded files, are not keys

# What a key and its encodings consist of. Runs of these are all that a fast search looks for.
_KEY_CHARACTERS = rb"[A-Za-z0-9+=_\-%\\&#;{}]"
_LONG_RUN = re.compile(rb"[^ ]{%d,}" % _MIN_RUN)
# Finds the first one faster: skips to the last blank that is near enough, again and again.
_FIRST_LONG_RUN = re.compile(rb"(?s)(?:.{0,%d} )*+[^ ]{%d}" % (_MIN_RUN - 1, _MIN_RUN))
_SEPARATED = bytes(code if re.match(_KEY_CHARACTERS, bytes([code])) else 32 for code in range(256))

# Each alternative begins with a literal: re then skips to the next possible start.
_ESCAPE = re.compile(
    r"""%([0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){0,15})  # a URL
      | \\u\{?([0-9A-Fa-f]{4})\}?       # JSON, JavaScript
      | %u\{?([0-9A-Fa-f]{4})\}?
      | \\x([0-9A-Fa-f]{2})             # Python
      | &\#[xX]([0-9A-Fa-f]{1,4});      # HTML
      | &\#([0-9]{1,5});
      | \\(\\(?:\\\\){0,15})             # an escaped escape
      | \\([/"])
      | \x00                            # UTF-16
    """,
    re.VERBOSE,
)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_BASE64_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{28,}")
_HEX_TOKEN = re.compile(r"[0-9A-Fa-f]{42,}")

Span = tuple[int, int]
_ToSpan = Callable[[int, int], Span]
_Decoding = tuple[str, _ToSpan]  # a decoded text, and from where in the original a part of it is


class Redactor:
    """Replaces API keys, and what they can be computed from.

    A key is found by its format or by its digest; raw, or encoded for a URL, JSON, HTML or Python,
    in UTF-16, base64 or hexadecimal; and without its prefix.

    Args:
        prefix: The prefix of every key.
        length: The number of characters after the prefix.
        is_known: Whether a raw key exists, for a server that stores digests alone.
    """

    def __init__(
        self,
        prefix: str,
        length: int,
        *,
        is_known: Callable[[str], bool] = lambda raw: False,
    ) -> None:
        self._prefix, self._length, self._is_known = prefix, length, is_known
        self._prefix_bytes = prefix.encode()
        self._prefix_words = re.findall("[A-Za-z0-9]+", prefix.lower())
        self._prefixed = _prefixed_pattern(prefix)
        self._unprefixed = _unprefixed_pattern(length)

    def redact(self, text: str, *, quoted: bytes = b"") -> str:
        """Replace each key in *text*, and parts of the keys in *quoted*.

        Args:
            text: A text, such as an error message.
            quoted: What the text may quote in part, such as the request: half of an encoded key
                does not look like one.
        """
        if quoted and self.contains_key(quoted):
            source = quoted.decode("utf-8", "replace")
            keys = [source[start:end] for start, end in _merge(self._find(source))]
            text = _replace_parts(text, keys, _MIN_FRAGMENT)
        if not self.contains_key(text.encode("utf-8", "surrogatepass")):
            return text
        return _replace(text, self._find(text))

    def redact_bytes(self, content: bytes) -> bytes:
        """Replace each key in *content*, whatever its charset."""
        if not self.contains_key(content):
            return content
        return self.redact(content.decode("latin-1")).encode("latin-1")

    def contains_key(self, content: bytes) -> bool:
        """Return whether there is a key; for nearly all content this takes microseconds."""
        if self._prefix_bytes and content.find(self._prefix_bytes) >= 0:  # faster than `in`
            return True
        runs = _long_runs(content) if len(content) > _MAX_CACHED else _cached_long_runs(content)
        return bool(runs) and any(self._find(b" ".join(runs).decode("latin-1")))

    def _find(self, text: str, depth: int = _MAX_DEPTH) -> Iterator[Span]:
        yield from self._find_plain(text)
        if depth:
            for decoded, to_span in _decodings(text):
                if _long_runs(decoded.encode("utf-8", "surrogatepass")):
                    for start, end in self._find(decoded, depth - 1):
                        yield to_span(start, end)

    def _find_plain(self, text: str) -> Iterator[Span]:
        lowered = text.lower()
        if all(word in lowered for word in self._prefix_words):  # much faster than the pattern
            yield from (match.span() for match in self._prefixed.finditer(text))
        for match in self._unprefixed.finditer(text):
            yield from self._find_in_run(match[0], match.start())

    def _find_in_run(self, run: str, offset: int) -> Iterator[Span]:
        """Find keys without their prefix in a run of letters and digits."""
        length = self._length
        if len(run) == length and _looks_random(run):
            yield offset, offset + length
        if len(run) > _MAX_SEARCHED_RUN or len(set(run)) == 1:  # as in the documentation
            return
        for start in range(len(run) - length + 1):
            if self._is_known(self._prefix + run[start : start + length]):
                yield offset + start, offset + start + length


def redact_parts(content: bytes, token: bytes) -> bytes:
    """Replace a token of any format, and its parts, in *content*."""
    token = token[:_MAX_TOKEN]
    size = min(len(token), _MIN_FRAGMENT)
    windows = (token[start : start + size] for start in range(len(token) - size + 1))
    if size < _MIN_TOKEN or not any(window in content for window in windows):
        return content
    text, secret = content.decode("latin-1"), token.decode("latin-1")
    return _replace_parts(text, [secret], size).encode("latin-1")


def _long_runs(content: bytes) -> list[bytes]:
    """Return what could be a key in any encoding."""
    separated = content.translate(_SEPARATED, b"\0")  # UTF-16 has NULs
    return _LONG_RUN.findall(separated) if _FIRST_LONG_RUN.match(separated) else []


_cached_long_runs = lru_cache(maxsize=256)(_long_runs)


@lru_cache(maxsize=16)
def _prefixed_pattern(prefix: str) -> re.Pattern[str]:
    """Match a key of any length with its prefix, or with other separators in the prefix."""
    words = re.findall("[A-Za-z0-9]+", prefix)
    if not words:
        return re.compile("(?!)")
    separator = r"[\W_]{0,2}"
    altered = separator.join(words) + separator + rf"[A-Za-z0-9]{{{_MIN_FRAGMENT},}}"
    return re.compile(rf"(?ai:{re.escape(prefix)})\w+|(?<![A-Za-z0-9])(?ai:{altered})")


@lru_cache(maxsize=16)
def _unprefixed_pattern(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Za-z0-9]{{{length},}}")


def _replace_parts(text: str, secrets: Iterable[str], size: int) -> str:
    parts = {part for secret in secrets for _, part in _parts(secret, size)}
    return _replace(text, (span for span, part in _parts(text, size) if part in parts))


def _parts(text: str, size: int) -> Iterator[tuple[Span, str]]:
    """Yield every part of *size* characters, in lower case, and where it is."""
    lowered = text.translate(_LOWER)
    for start in range(len(text) - size + 1):
        yield (start, start + size), lowered[start : start + size]


def _replace(text: str, spans: Iterable[Span]) -> str:
    pieces, position = [], 0
    for start, end in _merge(spans):
        pieces += [text[position:start], REDACTED]
        position = end
    return "".join([*pieces, text[position:]])


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Sort spans, and join those that touch."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _looks_random(run: str) -> bool:
    """Return whether letters of both cases and digits occur, unlike in words and hashes."""
    return any(map(str.islower, run)) and any(map(str.isupper, run)) and any(map(str.isdigit, run))


def _decodings(text: str) -> Iterator[_Decoding]:
    if _ESCAPE.search(text):
        decoded = _ESCAPE.sub(lambda match: _decode_escape(match[0]), text)
        spans = cache(lambda: escape_spans(text))
        yield decoded, lambda start, end: (spans()[start][0], spans()[end - 1][1])
    for match in _BASE64_TOKEN.finditer(text):
        for offset in range(match.start(), match.start() + 4):  # the token may begin earlier
            yield _from_base64(text[offset : match.end()]), _scaled(offset, 3, 4, len(text))
    for match in _HEX_TOKEN.finditer(text):
        for offset in (match.start(), match.start() + 1):
            digits = text[offset : match.end()]
            decoded = bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("latin-1")
            yield decoded, _scaled(offset, 1, 2, len(text))


def _scaled(offset: int, size: int, encoded_size: int, length: int) -> _ToSpan:
    """Map positions in a text that encodes each *size* bytes as *encoded_size* characters."""

    def to_span(start: int, end: int) -> Span:
        last = offset - (-end // size) * encoded_size
        return offset + start // size * encoded_size, min(last, length)

    return to_span


def escape_spans(text: str) -> list[Span]:
    """Return where each character of the decoded text is in *text*."""
    spans: list[Span] = []
    position = 0
    for match in _ESCAPE.finditer(text):
        spans += [(index, index + 1) for index in range(position, match.start())]
        if count := len(_decode_escape(match[0])):
            size = len(match[0]) // count
            spans += [(index, index + size) for index in range(*match.span(), size)]
        position = match.end()
    return spans + [(index, index + 1) for index in range(position, len(text))]


@lru_cache(maxsize=1024)
def _decode_escape(escape: str) -> str:
    match = _ESCAPE.fullmatch(escape)
    assert match
    url, *hexadecimal, decimal, backslashes, literal = match.groups()
    if url:
        return bytes.fromhex(url.replace("%", "")).decode("latin-1")
    if backslashes or literal:
        return literal or backslashes[::2]
    code = next((int(digits, 16) for digits in hexadecimal if digits), 0)
    return chr(code or int(decimal or 0)).replace("\0", "")


def _from_base64(token: str) -> str:
    token = token[: len(token) - (len(token) % 4 == 1)].replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(token + "=" * (-len(token) % 4)).decode("latin-1")
    except Base64Error:
        return ""
