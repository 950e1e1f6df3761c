"""Ids, keys and chance, all from a seed: the same seed and requests give the same world."""

from __future__ import annotations

from hashlib import blake2b

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HALF = 1 << 64
_IMAGES = blake2b(digest_size=11)


class Ids:
    """A hub's source of ids and of chance."""

    def __init__(self, seed: int, *, used: int = 0) -> None:
        self.seed = seed
        self.used = used
        self._salt = seed.to_bytes(16, "big", signed=True)
        self._generations = blake2b(digest_size=11, key=self._salt)

    def generation(self) -> str:
        """A new generation's id."""
        self.used += 1
        digest = self._generations.copy()  # cheaper than one from its key
        digest.update(b"generation %d" % self.used)
        return "clx" + digest.hexdigest()

    def image(self, generation: str, index: int) -> str:
        """The id of a generation's image, counted from 0; a function of the two alone."""
        digest = _IMAGES.copy()
        digest.update(b"image %d %s" % (index, generation.encode()))
        return "clx" + digest.hexdigest()

    def chance(self) -> float:
        """The next number of a seeded row, from 0 to below 1."""
        self.used += 1
        digest = blake2b(b"chance %d" % self.used, digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest, "big") / _HALF

    def key(self, prefix: str, length: int, *, name: str) -> str:
        """A new raw API key; *name* keeps hubs of the same seed apart."""
        self.used += 1
        seed = b"key %d %s" % (self.used, name.encode())
        number = int.from_bytes(blake2b(seed, key=self._salt).digest(), "big")
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[rest])
        return prefix + "".join(letters)
