"""Ids, keys and chance, all from a seed: the same seed and requests give the same world."""

from __future__ import annotations

from hashlib import blake2b

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANGE = 1 << 64
_IMAGE_HASH = blake2b(digest_size=11)


class Ids:
    """A hub's source of ids and of chance."""

    def __init__(self, seed: int, *, counter: int = 0) -> None:
        self.seed = seed
        self.counter = counter
        self._hash_key = seed.to_bytes(16, "big", signed=True)
        self._generation_hash = blake2b(digest_size=11, key=self._hash_key)

    def generation(self) -> str:
        """A new generation's id."""
        self.counter += 1
        digest = self._generation_hash.copy()  # cheaper than one from its key
        digest.update(b"generation %d" % self.counter)
        return "clx" + digest.hexdigest()

    def image(self, generation: str, index: int) -> str:
        """The id of a generation's image, counted from 0; a function of the two alone."""
        digest = _IMAGE_HASH.copy()
        digest.update(b"image %d %s" % (index, generation.encode()))
        return "clx" + digest.hexdigest()

    def random(self) -> float:
        """The next number of a seeded row, from 0 to below 1."""
        self.counter += 1
        digest = blake2b(b"chance %d" % self.counter, digest_size=8, key=self._hash_key).digest()
        return int.from_bytes(digest, "big") / _RANGE

    def key(self, prefix: str, length: int, *, name: str) -> str:
        """A new raw API key; *name* keeps hubs of the same seed apart."""
        self.counter += 1
        seed = b"key %d %s" % (self.counter, name.encode())
        number = int.from_bytes(blake2b(seed, key=self._hash_key).digest(), "big")
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[rest])
        return prefix + "".join(letters)
