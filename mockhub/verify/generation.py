"""Create generations for the checks, and record everything that is observed of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import quote

from mockhub.verify import oracle
from mockhub.verify.client import BudgetedClient
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import (
    CHARSET,
    DOCUMENTED_SIZES,
    FILES_FIRST,
    GenerationFixture,
    upload_files,
)
from mockhub.verify.multipart import to_form_text
from mockhub.verify.outcomes import Skipped
from mockhub.verify.request_bodies import EncodedBody, form_body, json_body

SECOND_KEY, UNKNOWN_KEY = "second key", "unknown key"
UNKNOWN_ID = "clx_unknown"
REJECTED = (400, 413, 415, 422)  # statuses for an invalid request, or a media type

_FINAL_STATUSES = ("succeeded", "failed")


@dataclass
class ObservedGeneration:
    """A generation as it was requested, and everything that was observed of it.

    Attributes:
        exchange: The POST.
        balance_before: The payer's credits just before the POST.
        balance_after: The payer's credits after it ended.
        balance_read: The read of the payer's credits just after it ended.
        balance_in_progress: The read of the payer's credits after two polls found it processing.
        balance_on_reread: The payer's credits after a task was read again.
        other_balance_before: Another user's credits before the POST.
        other_balance_after: Another user's credits after it ended.
        second_key_balances: The same as balance_before and balance_after, read with another key.
        measured_alone: Whether no other generation changed the payer's credits meanwhile.
        polls: All reads of a task with the payer's key.
        first_read: A read just after the response to a synchronous request.
        other_reads: Reads with other keys in the meantime, by role; `SECOND_KEY` is of its payer.
        finished: Whether a poll found it succeeded or failed.
        gave_up: Whether it had not ended within `limits.poll_timeout`.
        first_rejection: The response to the variant of the fixture, if that was rejected.
        size_rejection: The response to the size of the fixture, if another size replaced it.
    """

    name: str
    fixture: GenerationFixture
    n: int
    size: str
    exchange: Exchange
    balance_before: int | None = None
    balance_after: int | None = None
    other_balance_before: int | None = None
    other_balance_after: int | None = None
    balance_read: Exchange | None = None
    balance_in_progress: Exchange | None = None
    balance_on_reread: int | None = None
    second_key_balances: tuple[int | None, int | None] = (None, None)
    measured_alone: bool = True
    polls: list[Exchange] = field(default_factory=list)
    first_read: Exchange | None = None
    other_reads: dict[str, Exchange] = field(default_factory=dict)
    finished: bool = False
    gave_up: bool = False
    first_rejection: Exchange | None = None
    size_rejection: Exchange | None = None

    @property
    def first_exchange(self) -> Exchange:
        """The POST with the size of the fixture."""
        return self.size_rejection or self.exchange

    @property
    def payer(self) -> str:
        """The role whose key sent it and pays for it."""
        return self.fixture.payer

    @property
    def accepted(self) -> bool:
        return self.exchange.status in (200, 202)

    @property
    def max_cost(self) -> int:
        """The most that it may cost, in credits."""
        return oracle.price(self.size, self.n)

    @property
    def charged(self) -> int | None:
        """Credits that left the payer's balance meanwhile, for its whole group."""
        if self.balance_before is None or self.balance_after is None:
            return None
        return self.balance_before - self.balance_after

    @property
    def body(self) -> JsonObject:
        """The response to the POST, or {} if it is not a JSON object."""
        return self.exchange.json_object

    @property
    def final_body(self) -> JsonObject:
        """The response to the POST, or for a task the first poll that found it ended, or {}."""
        if self.exchange.status != 202:
            return self.body
        return self.final_poll.json_object if self.final_poll else {}

    @property
    def final_poll(self) -> Exchange | None:
        return next((poll for poll in self.polls if is_final(poll)), None)

    @property
    def final_exchange(self) -> Exchange:
        """The exchange that `final_body` was read from."""
        return self.final_poll or self.exchange

    @property
    def id(self) -> str | None:
        id = self.body.get("id")
        return id if isinstance(id, str) and id else None

    @property
    def path(self) -> str:
        """The path below /api/v1 that reads it back."""
        return f"generations/{quote(self.id or '', safe='')}"

    @property
    def failed_with_500(self) -> bool:
        """Whether a poll returned 500, as a failed task may (ASY-7 is inferred)."""
        return not self.finished and any(poll.status == 500 for poll in self.polls)

    @property
    def reported_cost(self) -> int | None:
        """`usage.credits` of `final_body`."""
        usage = self.final_body.get("usage")
        if self.failed_with_500 or (self.final_body.get("status") == "failed" and usage is None):
            return 0  # how a failed generation shows its refund is open
        return reported_credits(self.final_body)

    @property
    def ignored_trigger(self) -> bool:
        """Whether all images came and were charged, although the provider should have failed."""
        images, cost = self.final_body.get("images"), self.reported_cost
        is_complete = isinstance(images, list) and len(images) == self.n
        is_charged = self.charged in (None, cost) or not self.measured_alone
        has_succeeded = self.final_body.get("status") == "succeeded"
        return is_complete and has_succeeded and is_charged and cost == self.max_cost


def reported_credits(body: JsonObject) -> int | None:
    """Return `usage.credits` of a response, if it is a whole number."""
    usage = body.get("usage")
    value = usage.get("credits") if isinstance(usage, dict) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def poll_status(poll: Exchange) -> object:
    """Return the `status` field of a 200 response to a poll, or None."""
    return poll.json_object.get("status") if poll.status == 200 else None


def is_final(poll: Exchange) -> bool:
    """Return whether a poll found the generation succeeded or failed."""
    return poll_status(poll) in _FINAL_STATUSES


def create_generation(
    client: BudgetedClient, name: str, fixture: GenerationFixture
) -> ObservedGeneration:
    """Send the request of a fixture.

    A rejected variant is followed by the usual form of the request, a size that is not offered by
    one that is, and several images for a form that cannot be a task by as many for JSON.
    """
    size, first_rejection, size_rejection = fixture.size, None, None
    exchange = _post(client, fixture, size, fixture.variant)
    if fixture.variant and exchange.status in REJECTED:
        first_rejection, exchange = exchange, _post(client, fixture, size)
    if exchange.status == 400 and size not in DOCUMENTED_SIZES:
        size, size_rejection = "1024x1024", exchange
        exchange = _post(client, fixture, size)
    is_several = fixture.image_count > 1 and fixture.trigger != "provider_failure"
    if exchange.status in REJECTED and is_several and fixture.is_form_task:
        fixture = replace(fixture, is_form=False, files=())
        exchange = _post(client, fixture, size)
    n = _prompt_and_count(client, fixture)[1]
    return ObservedGeneration(
        name, fixture, n, size or "auto", exchange,
        first_rejection=first_rejection, size_rejection=size_rejection,
    )  # fmt: skip


def _post(
    client: BudgetedClient, fixture: GenerationFixture, size: str | None, variant: str = ""
) -> Exchange:
    prompt, n = _prompt_and_count(client, fixture)
    fields = fixture.fields(prompt) | ({"size": size} if size else {})
    if fixture.n is not None:
        fields["n"] = n
    cost = oracle.price(size or "auto", n)
    return post_fields(client, fixture, fields, fixture.payer, cost=cost, variant=variant)


def post_fields(
    client: BudgetedClient,
    fixture: GenerationFixture,
    fields: Mapping[str, object],
    key: str | None,
    *,
    cost: int,
    variant: str = "",
    headers: Mapping[str, str] | None = None,
) -> Exchange:
    """Send *fields* in the media type of *fixture*, with its files and variant."""
    if fixture.is_form:
        form = {name: to_form_text(value) for name, value in fields.items()}
        files, first = upload_files(fixture.files), variant == FILES_FIRST
        post = partial(client.post, form=form, files=files, files_first=first)
    else:
        post = partial(client.post, json=fields)
        if variant == CHARSET:
            headers = {"Content-Type": "application/json; charset=utf-8"}
    return post(headers=headers, key=key, cost=cost)


def encode_request(fixture: GenerationFixture, prompt: str) -> EncodedBody:
    """Return the body of a request for *fixture*, in its media type."""
    fields = fixture.fields(prompt)
    if not fixture.is_form:
        return json_body(fields)
    form = {key: to_form_text(value) for key, value in fields.items()}
    return form_body(form, upload_files(fixture.files), False)


def _prompt_and_count(client: BudgetedClient, fixture: GenerationFixture) -> tuple[str, int]:
    profile = client.profile
    if fixture.trigger == "provider_failure":
        if not profile.provider_failure:
            raise Skipped("the profile has no triggers.provider_failure")
        return profile.provider_failure, fixture.image_count
    if fixture.trigger == "partial":
        if not profile.partial:
            raise Skipped("the profile has no triggers.partial")
        return profile.partial.prompt, profile.partial.n
    return fixture.prompt, fixture.image_count
