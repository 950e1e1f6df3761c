"""What values are made of."""

from __future__ import annotations

from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace


class FrozenStruct(Struct, frozen=True, gc=False):
    """Facts that never change once they are made.

    They are made in C, and hold nothing that could come back to them: the garbage collector need
    not look at the hundreds of thousands that a hub keeps.
    """

    def _replace(self, **changes: Any) -> Self:
        """The same with some fields changed, as of a named tuple."""
        return replace(self, **changes)
