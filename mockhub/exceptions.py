"""The exceptions of mockhub.

Exception
+-- MockhubError                 root of all errors, with a message for a person
|   +-- ApiError                 becomes an error response of the API
|   |   +-- ServiceUnavailable   the database of the hubs is not available
|   |   `-- UpstreamError        no usable response of the target (mockhub.proxy.errors)
|   +-- ValidationError          a request body or parameter is invalid
|   +-- InsufficientCredits      an account cannot pay (mockhub.domain.ledger)
|   +-- ImageMetadataError       an image file has no mockhub metadata (mockhub.images.formats)
|   +-- BadRequest               bytes are not an HTTP request (mockhub.server.request_parser)
|   `-- UnreachableError         the target of verify does not respond (mockhub.verify.run)
|
|   Control flow, caught by the package that raises it:
+-- ClientDisconnected           the request was not received in full (mockhub.web.request_body)
+-- ConnectionAborted            a fault ended the connection (mockhub.web.fault_injection)
+-- WaitCancelled                shutdown or deletion ended a wait (mockhub.web.clock_waiter)
+-- OtherResponse                the proxy responds without the upstream (mockhub.proxy.guard)
+-- ConnectionResetError         of the standard library
|   `-- ConnectionClosed         a fault closed the connection of an ASGI client (mockhub.web.asgi)
`-- CheckOutcome                 a check did not pass (mockhub.verify.outcomes)
    +-- Failed
    +-- Skipped
    `-- Inconclusive
        `-- OverBudget
"""

from __future__ import annotations

from collections.abc import Mapping


class MockhubError(Exception):
    """An option, a file or a call of the user cannot be used; the root of all errors of mockhub.

    The message names the place, the value and what is allowed.
    """


class ApiError(MockhubError):
    """An error response in the documented shape (ERR-1)."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class ServiceUnavailable(ApiError):
    """The database is not available, so that nothing was done, or nothing is known to be done."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "serviceUnavailable", message, headers={"Retry-After": "1"})


class ValidationError(MockhubError):
    """A request body or parameter is invalid; the message is a sentence for the client."""
