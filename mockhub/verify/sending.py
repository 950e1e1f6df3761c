"""Sending a recipe: its prompt, its body, and the size that is offered."""

from __future__ import annotations

from mockhub.verify import fixtures, oracle
from mockhub.verify.client import BudgetedClient
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import (
    CHARSET,
    DOCUMENTED_SIZES,
    FILES_FIRST,
    FIXTURES,
    GenerationFixture,
)
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.multipart import to_form_text
from mockhub.verify.outcomes import Skipped

_REJECTED = (400, 415, 422)


def create_generation(client: BudgetedClient, name: str) -> ObservedGeneration:
    """The generation of a recipe as it was answered; a size that is not offered is replaced."""
    fixture = FIXTURES[name]
    size, first_rejection = fixture.size, None
    exchange = _post(client, fixture, size, fixture.variant)
    if fixture.variant and exchange.status in _REJECTED:
        first_rejection, exchange = exchange, _post(client, fixture, size)
    can_replace_size = fixture.asynchronous or fixture.trigger or fixture.files
    if exchange.status == 400 and size not in DOCUMENTED_SIZES and can_replace_size:
        size = "1024x1024"
        exchange = _post(client, fixture, size)
    n = _prompt_and_count(client, fixture)[1]
    return ObservedGeneration(
        name, fixture, n, size or "auto", exchange, first_rejection=first_rejection
    )


def _post(
    client: BudgetedClient, fixture: GenerationFixture, size: str | None, variant: str = ""
) -> Exchange:
    prompt, n = _prompt_and_count(client, fixture)
    fields = fixture.fields(prompt) | ({"size": size} if size else {})
    if fixture.n is not None:
        fields["n"] = n
    cost = oracle.price(size or "auto", n)
    if fixture.is_form:
        text = {key: to_form_text(value) for key, value in fields.items()}
        files = fixtures.upload_files(fixture.files)
        return client.post(form=text, files=files, files_first=variant == FILES_FIRST, cost=cost)
    headers = {"Content-Type": "application/json; charset=utf-8"} if variant == CHARSET else {}
    return client.post(json=fields, headers=headers, cost=cost)


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
