"""The exceptions of mockhub: MockhubError for users of the library, ApiError for API responses."""

from __future__ import annotations

from collections.abc import Mapping


class MockhubError(Exception):
    """What the user of mockhub wrote cannot be used; the message says where and what is allowed."""


class ApiError(Exception):
    """A refusal on the wire, in the documented shape (ERR-1)."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class ValidationError(ValueError):
    """What is wrong with a request's body or parameters, as a sentence for its author."""
