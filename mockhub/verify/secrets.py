"""Remove API keys from reports, also keys that are encoded, cut, or changed in a few characters."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from mockhub.verify import oracle
from mockhub.verify.profile import Profile

_WINDOW = 12  # characters of a key's random part that no report contains
_PART = 6  # characters of a window that are looked for first
_STEP = _WINDOW - _PART + 1  # at every so many characters, and so once in every window
_ALIGNMENTS = 3  # of a text within the groups of three bytes that base64 encodes
_MAX_LAYERS = 3  # of escapes, such as a key that is percent-encoded twice
_ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-f]{2})|\\u(?P<json>[0-9a-f]{4})|\\x(?P<python>[0-9a-f]{2})"
    r"|&#x(?P<hex>[0-9a-f]{1,6});|&#(?P<decimal>[0-9]{1,7});",
    re.IGNORECASE,
)
_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_SECRET_HEADER = re.compile(r"auth|token|key|secret|cookie", re.IGNORECASE)
_BASE64_CHARACTERS = _TOKEN_CHARACTERS | frozenset("+/=")


@dataclass(frozen=True)
class _Secret:
    raw: str
    name: str
    encoding: str = ""  # of the window that was found


class Secrets:
    """Raw keys, and the names that stand for them in reports.

    Whatever shares 12 characters with the random part of a key is replaced: the key in another
    case, cut, with other characters, percent-encoded, in base64 or in hexadecimal digits.

    Args:
        names: The names by raw key, such as ``$MOCKHUB_KEY``.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names: dict[str, str] = {}
        self._windows: dict[int, dict[str, _Secret]] = {}  # by length
        self._parts: set[str] = set()  # of the windows
        self._characters = set(_BASE64_CHARACTERS)
        self._long_words = re.compile("")  # that may contain a window
        for raw, name in (names or {}).items():
            self.register(raw, name)

    @classmethod
    def of_profile(cls, profile: Profile) -> Secrets:
        """Return the keys of a profile, the password of its URL and its secret headers."""
        secrets = cls()
        for role, raw in profile.keys.items():
            name = "$MOCKHUB_KEY" if role == "valid" else f"$MOCKHUB_KEY_{role.upper()}"
            secrets.register(raw, name)
        if password := urlsplit(profile.base_url).password:
            secrets.register(password, "$MOCKHUB_PASSWORD")
        for header, value in profile.headers.items():
            if _SECRET_HEADER.search(header):
                secrets.register(value, "$MOCKHUB_KEY_" + re.sub(r"\W", "_", header.upper()))
        return secrets

    def register(self, raw: str, name: str) -> None:
        """Replace *raw* and everything derived from it by *name* from now on."""
        self._names[raw] = name
        random = _random_part(raw)
        if len(random) < _WINDOW:
            return
        self._add_windows(random, _WINDOW, _Secret(raw, name))
        self._add_windows(random.encode().hex(), 2 * _WINDOW, _Secret(raw, name, "hexadecimal"))
        for altchars in (b"+/", b"-_"):
            for encoded in _base64_forms(random, altchars):
                self._add_windows(encoded, _WINDOW, _Secret(raw, name, "base64"))

    def _add_windows(self, text: str, length: int, secret: _Secret) -> None:
        self._characters |= set(text.lower())
        characters = re.escape("".join(sorted(self._characters)))
        self._long_words = re.compile(f"[{characters}]{{{_WINDOW},}}")
        windows, text = self._windows.setdefault(length, {}), text.lower()
        for start in range(len(text) - length + 1):
            windows.setdefault(text[start : start + length], secret)
        self._parts |= {text[start : start + _PART] for start in range(len(text) - _PART + 1)}

    def occur_in(self, text: str) -> bool:
        """Return whether *text* has a key in it, or something that a key can be guessed from."""
        return self.redact(text) != text

    def redact(self, text: str) -> str:
        """Return *text* with names in place of keys."""
        for raw in sorted(self._names, key=len, reverse=True):
            if len(_random_part(raw)) < _WINDOW:  # too short for a window
                text = text.replace(raw, self._names[raw])
        if not self._windows:
            return text
        for layer in range(_MAX_LAYERS):
            decoded = _Decoded(text, layers=layer)
            if layer and not decoded.has_escapes:
                break
            text = self._redact_layer(text, decoded)
        return text

    def _redact_layer(self, text: str, decoded: _Decoded) -> str:
        parts, end = [], 0
        for start, stop, secret in self._spans(decoded.characters):
            first, last = decoded.source_span(start, stop)
            word = decoded.characters[start:stop]
            parts += [text[end:first], self._names.get(word) or _describe(word, secret)]
            end = last
        return "".join([*parts, text[end:]]) if parts else text

    def _spans(self, characters: str) -> Iterator[tuple[int, int, _Secret]]:
        """Yield the words with a key in them, from left to right."""
        folded, start, end = _fold(characters), 0, 0
        while (hit := self._next_hit(folded, end)) is not None:
            start, stop, secret = hit
            allowed = _BASE64_CHARACTERS if secret.encoding == "base64" else _TOKEN_CHARACTERS
            while start > end and characters[start - 1] in allowed:
                start -= 1
            while stop < len(characters) and (
                characters[stop] in allowed
                or self._has_window(folded[stop - _WINDOW + 1 : stop + 1])
            ):
                stop += 1
            yield start, stop, secret
            end = stop

    def _has_window(self, folded: str) -> bool:
        return folded in self._windows[_WINDOW]

    def _next_hit(self, folded: str, start: int) -> tuple[int, int, _Secret] | None:
        for word in self._long_words.finditer(folded, start):
            first = word.start()
            for position in range(first, word.end() - _PART + 1, _STEP):
                if folded[position : position + _PART] in self._parts:
                    hit = self._first_window(folded, max(first, position - _STEP + 1), position)
                    if hit:
                        return hit
        return None

    def _first_window(self, folded: str, first: int, last: int) -> tuple[int, int, _Secret] | None:
        for position in range(first, last + 1):
            for length, windows in self._windows.items():
                secret = windows.get(folded[position : position + length])
                if secret is not None:
                    return position, position + length, secret
        return None


class _Decoded:
    """A text without its escapes, and where each character stands in the text itself."""

    def __init__(self, text: str, *, layers: int) -> None:
        self.characters = text
        self.has_escapes = False
        self._starts: list[int] = []  # empty while each character stands for itself
        for _ in range(layers):
            self._decode_layer()

    def _decode_layer(self) -> None:
        matches = list(_ESCAPE.finditer(self.characters))
        self.has_escapes = bool(matches)
        if not matches:
            return
        starts: list[int] = []
        characters, position = [], 0
        for match in matches:
            starts += range(position, match.start() + 1)
            characters += [self.characters[position : match.start()], _unescape(match)]
            position = match.end()
        starts += range(position, len(self.characters) + 1)
        characters.append(self.characters[position:])
        outer = self._starts
        self._starts = [outer[start] for start in starts] if outer else starts
        self.characters = "".join(characters)

    def source_span(self, start: int, stop: int) -> tuple[int, int]:
        if not self._starts:
            return start, stop
        return self._starts[start], self._starts[stop]


def _unescape(match: re.Match[str]) -> str:
    name = match.lastgroup or 0
    code = int(match[name], 10 if name == "decimal" else 16)
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _fold(text: str) -> str:
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def _random_part(raw: str) -> str:
    return raw.removeprefix(oracle.api_spec().key_format.prefix)


def _base64_forms(random: str, altchars: bytes) -> Iterator[str]:
    """Yield the random part in base64, for each alignment, without what its neighbours change."""
    for alignment in range(_ALIGNMENTS):
        encoded = b64encode(bytes(alignment) + random.encode(), altchars).decode().rstrip("=")
        is_aligned = (alignment + len(random.encode())) % _ALIGNMENTS == 0
        yield encoded[(0, 2, 3)[alignment] : None if is_aligned else -1]


def _describe(word: str, secret: _Secret) -> str:
    """Return what stands in a report for a word with a key in it."""
    raw, name = secret.raw, secret.name
    if secret.encoding:
        return f"[{name} in {secret.encoding}]"
    if raw in word:
        rest = len(word.replace(raw, ""))
        return f"[{name} and {rest} more characters]" if rest else word.replace(raw, name)
    if word == _random_part(raw):
        return f"[{name} without its prefix]"
    if word.lower() == raw.lower():
        return f"[{name} in another case]"
    if raw.startswith(word):
        return f"[the first {len(word)} characters of {name}]"
    return f"[{name} with {_describe_difference(word, raw)}]"


def _describe_difference(word: str, raw: str) -> str:
    if word[:-1] == raw[:-1]:
        return "its last character changed"
    return "other characters"
