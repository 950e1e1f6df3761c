"""Guard the credits: a budget, and requests that must not be paid twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256
from typing import Literal

import msgspec

from mockhub._timestamps import SECOND
from mockhub.domain.clock import Clock, SystemClock
from mockhub.domain.generations import FINAL_STATUSES
from mockhub.exceptions import ApiError, MockhubError
from mockhub.proxy.context import ProxyContext
from mockhub.proxy.guard_state import GuardState, Purchase, StateFile
from mockhub.proxy.observation import Observation
from mockhub.proxy.upstream import SAFE_METHODS
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import JSON, OperationId
from mockhub.web.request_body import EMPTY_BODY
from mockhub.web.responses import JSON_CONTENT_TYPE, Response

RepeatPolicy = Literal["reject", "replay", "allow"]

_CONFLICT, _FIRST_ERROR_STATUS, _SERVER_ERROR = 409, 400, 500
_MAX_KEPT_BODY = 64 * 1024
_HEADER = "X-Mockhub-Guard"


class OtherResponse(Exception):
    """The request is not sent; the response is a fault's, or that to the first of its repeats."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Guard:
    """Decides which requests are forwarded, and keeps count of what they cost.

    Args:
        spec: Has the prices.
        target: The URL of the upstream, which is written to the file.
        budget: The credits that may be spent in all; None for no limit.
        repeats: What happens to a repeat of a request whose response was lost.
        repeat_window: How long a request counts as such a repeat, in milliseconds.
        file: Where the state is kept.

    Raises:
        MockhubError: if the file cannot be used, or belongs to another target.
    """

    def __init__(
        self,
        spec: ApiSpec,
        target: str,
        *,
        budget: int | None = None,
        repeats: RepeatPolicy = "reject",
        repeat_window: int = 900 * SECOND,
        file: StateFile | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._spec = spec
        self._repeats = repeats
        self._repeat_window = repeat_window
        self._file = file or StateFile(None)
        self._clock = clock or SystemClock()
        self._responded: dict[int, asyncio.Event] = {}  # by id() of a pending purchase
        self._highest_price = _highest_price(spec)
        self._file.lock()
        try:
            self.state = self._load(target)
            self.state.budget = budget
            self._file.save(self.state)
        except MockhubError:
            self.close()
            raise

    def _load(self, target: str) -> GuardState:
        state = self._file.load() or GuardState(target)
        if state.target != target:
            raise MockhubError(
                f"--state belongs to the target {state.target}, not {target}; give another one"
            )
        for purchase in state.purchases:
            if purchase.pending:  # the proxy was stopped before the response
                purchase.pending, purchase.settled, purchase.lost = False, True, True
        return state

    def close(self) -> None:
        """Let another proxy use the file."""
        self._file.close()

    async def admit(self, context: ProxyContext) -> None:
        """Reserve the price of a request before it is sent.

        Raises:
            ApiError: 402 if it exceeds the budget, 409 if it is a repeat; it must not be sent.
            OtherResponse: if it is a repeat; it must not be sent.
        """
        if context.method in SAFE_METHODS:
            return
        self._close_purchases()
        identity = _identity(context)
        if self._repeats != "allow":
            await self._check_repeat(context, identity)
        price = self._price(context.parsed_request)
        budget, spent = self.state.budget, self.state.spent
        if budget is not None and spent + price > budget:
            message = f"The budget of the proxy is {budget} credits, of which {budget - spent} are "
            message += f"left; the request costs {self._describe_price(context, price)}"
            raise self._rejection("budget", self._spec.errors.error("insufficientCredits", message))
        purchase = context.purchase = Purchase(self._clock.now(), price, identity)
        self.state.purchases.append(purchase)
        self._responded[id(purchase)] = asyncio.Event()
        try:
            self._file.save(self.state)
        except MockhubError as error:  # `settle` releases the price
            unwritten = ApiError(_SERVER_ERROR, "guardState", str(error))
            raise self._rejection("state", unwritten) from None

    def settle(self, context: ProxyContext) -> None:
        """Follow the end of an exchange, also of a poll."""
        purchase, seen = context.purchase, context.seen
        if purchase is None:
            if context.repeated is not None and context.is_delivered:
                context.repeated.lost = False
            self._follow_poll(seen)
            return
        status = context.upstream_status
        was_sent = context.upstream_request is not None and context.upstream_request.sent
        if not was_sent or self._is_free(status or 0, context.upstream_code):
            self._forget(purchase)
        else:
            if status and status < _FIRST_ERROR_STATUS:
                self._confirm(purchase, seen)
            purchase.settled = purchase.settled or not purchase.confirmed
            delivered = context.is_delivered and context.upstream_status is not None
            purchase.pending, purchase.lost = False, not delivered
            self._keep_response(purchase, context)
            self._wake(purchase)
        self._save()

    def _confirm(self, purchase: Purchase, seen: Observation) -> None:
        credits = seen.credits_requested if seen.credits_requested is not None else seen.credits
        purchase.confirmed = credits is not None
        purchase.credits = purchase.credits if credits is None else credits
        purchase.generation = seen.id
        purchase.settled = seen.status in FINAL_STATUSES

    def _follow_poll(self, seen: Observation) -> None:
        if seen.id is None or seen.status not in FINAL_STATUSES or seen.credits is None:
            return
        for purchase in self.state.purchases:
            if purchase.generation == seen.id and not purchase.settled:
                purchase.credits, purchase.settled = seen.credits, True
                self._save()

    def _is_free(self, status: int, code: str | None) -> bool:
        """Return whether a response proves that nothing is charged (LED-2, LED-5)."""
        if status < _FIRST_ERROR_STATUS:
            return False
        return status < _SERVER_ERROR or code == "generationFailed"

    def _keep_response(self, purchase: Purchase, context: ProxyContext) -> None:
        body = context.local_body
        if purchase.lost and purchase.confirmed and body and len(body) <= _MAX_KEPT_BODY:
            purchase.status = context.upstream_status
            purchase.body = context.hub.redactor.redact(body.decode("utf-8", "replace"))

    # -- repeats ---------------------------------------------------------------------------------

    async def _check_repeat(self, context: ProxyContext, identity: str) -> None:
        first = self._find_lost(identity)
        if first is None:
            return
        if self._repeats == "replay" and first.pending:
            await self._responded[id(first)].wait()
            if first not in self.state.purchases:
                return  # it was not charged
        if self._repeats == "replay" and first.status is not None and first.body is not None:
            body = first.body.encode()
            length, mark = b"%d" % len(body), (_HEADER.lower().encode(), b"replayed")
            headers = (JSON_CONTENT_TYPE, (b"content-length", length), mark)
            context.repeated = first
            raise OtherResponse(Response(first.status, body, headers))
        age = (self._clock.now() - first.at) / SECOND
        window = self._repeat_window / SECOND
        charged = "was charged" if first.confirmed else "may have been charged"
        message = (
            f"The same request was sent {age:.0f} s ago. Its response was lost, and it {charged} "
            f"{first.credits} credits; repeats are held back for {window:g} s"
        )
        raise self._rejection("repeat", ApiError(_CONFLICT, "repeatHeldBack", message))

    def _find_lost(self, identity: str) -> Purchase | None:
        since = self._clock.now() - self._repeat_window
        for one in self.state.purchases:
            if one.identity == identity and one.lost and one.at > since:
                return one
        return None

    # -- bookkeeping -----------------------------------------------------------------------------

    def mark_lost(self, context: ProxyContext) -> None:
        """Note that the client has left, while the upstream still works on its request."""
        if context.purchase is not None:
            context.purchase.lost = True

    def _price(self, request: GenerationRequest | None) -> int:
        """Return the price of a request; one that is not valid might be the dearest."""
        if request is None:
            return self._highest_price
        return self._spec.catalog.quote(request.model, request.size).price(request.n)

    def _describe_price(self, context: ProxyContext, price: int) -> str:
        body = context.request_body
        if context.parsed_request is not None:
            return str(price)
        reason = body.problem if body and body.problem else "it is not in the API spec"
        return f"up to {price}, since its price is not known: {reason}"

    def _close_purchases(self) -> None:
        """Remove the purchases about which nothing can change any more."""
        state, since, kept = self.state, self._clock.now() - self._repeat_window, []
        for one in state.purchases:
            if not one.settled or (one.lost and one.at > since):
                kept.append(one)
            else:
                state.closed_credits += one.credits
                state.closed_unconfirmed += 0 if one.confirmed else one.credits
        state.purchases = kept

    def _forget(self, purchase: Purchase) -> None:
        """Release the price of a request that was not charged."""
        self.state.purchases = [one for one in self.state.purchases if one is not purchase]
        self._wake(purchase)

    def _wake(self, purchase: Purchase) -> None:
        if event := self._responded.pop(id(purchase), None):
            event.set()

    def _save(self) -> None:
        with suppress(MockhubError):
            self._file.save(self.state)  # if it fails, the next request is rejected

    def _rejection(self, reason: str, error: ApiError) -> ApiError:
        error.headers = {**error.headers, _HEADER: reason}
        return error


def _identity(context: ProxyContext) -> str:
    """Return the digest of what a request and its retry have in common.

    The boundary of a form differs from one attempt to the next, so its fields and files count.
    """
    stored = context.body.stored_body if context.body else EMPTY_BODY
    if context.parsed_request is not None:
        content = msgspec.json.encode(context.parsed_request)
    else:
        content = stored.content if stored.content is not None else str(stored.digest).encode()
    target = context.scope["path"].encode() + b"?" + context.scope["query_string"]
    parts = (context.method.encode(), target, context.key_digest or b"", content)
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()


def _highest_price(spec: ApiSpec) -> int:
    """Return the price of the dearest valid request."""
    most = spec.operations[OperationId.CREATE_GENERATION].bodies[JSON].fields["n"]["maximum"]
    prices = [price for model in spec.catalog.models.values() for price in model.prices.values()]
    return int(max(prices, default=0) * most)
