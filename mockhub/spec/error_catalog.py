"""The documented error codes, with their statuses and messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import field

from mockhub.exceptions import ApiError, MockhubError
from mockhub.spec.frozen_struct import FrozenStruct

UNAUTHORIZED = 401


class ErrorCatalog(FrozenStruct, frozen=True):
    """The status and the message of each documented error code (ERR-2 to ERR-6).

    None has the status 429 (LIM-2).
    """

    statuses: Mapping[str, int]
    messages: Mapping[str, str]
    code_by_status: Mapping[int, str] = field(default_factory=dict)

    def error(self, code: str, message: str | None = None) -> ApiError:
        """Return the error *code*, with its documented message unless another is given."""
        headers = {"WWW-Authenticate": "Bearer"} if self.statuses[code] == UNAUTHORIZED else {}
        return ApiError(self.statuses[code], code, message or self.messages[code], headers=headers)

    def invalid_request(self, message: str) -> ApiError:
        """Return 400 invalid_request (REQ-10)."""
        return self.error("invalid_request", message)

    def insufficient_credits(self, balance: int, needed: int) -> ApiError:
        """Return 402 insufficientCredits (LED-4, ASY-8)."""
        code = "insufficientCredits"
        return self.error(code, f"{self.messages[code]}: {balance} left, {needed} needed")


REQUIRED_CODES = frozenset(
    {
        "invalid_request",
        "missingApiKey",
        "invalidApiKey",
        "expiredApiKey",
        "insufficientCredits",
        "notFound",
        "generationFailed",
    }
)


def build_error_catalog(examples: Iterable[tuple[int, Mapping[str, Any]]]) -> ErrorCatalog:
    """Collect the codes from the examples of the error responses, given as (status, body).

    Raises:
        MockhubError: if a code has two statuses, or a required code is missing.
    """
    statuses: dict[str, int] = {}
    messages: dict[str, str] = {}
    code_by_status: dict[int, str] = {}
    for status, body in examples:
        code = body["error"]["code"]
        if statuses.setdefault(code, status) != status:
            raise MockhubError(
                f"error code {code!r} has the statuses {statuses[code]} and {status}; "
                "expected one status"
            )
        messages[code] = body["error"]["message"]
        code_by_status.setdefault(status, code)
    if missing := REQUIRED_CODES - statuses.keys():
        raise MockhubError(f"no response has an example for the error code {min(missing)!r}")
    return ErrorCatalog(statuses, messages, code_by_status)
