"""Generate ids, keys and random numbers from a seed, so that a run can be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from mockhub._numbers import require_integer

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BYTES = 8
_ID_BYTES = 11


@dataclass
class Ids:
    """A hub's source of ids and random numbers; raises MockhubError for a seed out of bounds."""

    seed: int
    counter: int = 0

    def __post_init__(self) -> None:
        require_integer("seed", self.seed)
        self._hash_key = self.seed.to_bytes(16, "big", signed=True)
        self._generation_hash = blake2b(digest_size=_ID_BYTES, key=self._hash_key)

    def generation(self) -> str:
        """Return the id of a new generation."""
        self.counter += 1
        digest = self._generation_hash.copy()  # faster than a new one with the key
        digest.update(f"generation {self.counter}".encode())
        return "clx" + digest.hexdigest()

    def random(self) -> float:
        """Return the next random number from 0 to less than 1."""
        self.counter += 1
        text = b"chance %d" % self.counter
        digest = blake2b(text, digest_size=_RANDOM_BYTES, key=self._hash_key).digest()
        return int.from_bytes(digest, "big") / (1 << 8 * _RANDOM_BYTES)

    def key(self, prefix: str, length: int, *, name: str) -> str:
        """Return a new raw API key; *name* makes hubs with the same seed differ."""
        self.counter += 1
        seed = b"key %d %s" % (self.counter, name.encode())
        number = int.from_bytes(blake2b(seed, key=self._hash_key).digest(), "big")
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[rest])
        return prefix + "".join(letters)
