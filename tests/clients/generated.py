"""Use a client that openapi-python-client generated; run by test_generated.py."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from hub_client import AuthenticatedClient, Client
from hub_client.api.credits_ import get_credits
from hub_client.api.generations import create_generation, get_generation
from hub_client.api.models import list_models
from hub_client.models import (
    Error,
    Generation,
    GenerationForm,
    GenerationRequest,
    Quality,
    QueuedGeneration,
    SavedGeneration,
)
from hub_client.types import File
from PIL import Image

URL = os.environ["MOCKHUB_URL"]
KEYS = json.loads(os.environ["MOCKHUB_KEYS"])
FIELDS: dict[str, Any] = {
    "model": "gpt-image-2",
    "prompt": "A lighthouse at dusk",
    "size": "1024x1024",
    "quality": Quality.HIGH,
}


def client(name: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=URL, token=KEYS[name], raise_on_unexpected_status=True)


def image() -> File:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), "teal").save(file, "PNG")
    return File(io.BytesIO(file.getvalue()), "reference.png", "image/png")


def generate(name: str, body: GenerationRequest | GenerationForm) -> Any:
    return create_generation.sync(client=client(name), body=body)


generation = generate("rich", GenerationRequest(**FIELDS, n=2))
assert isinstance(generation, Generation), generation
one = generate("rich", GenerationForm(**FIELDS, reference_image=image()))
assert isinstance(one, Generation), one
two = generate("rich", GenerationForm(**FIELDS, n=1, reference_image=[image(), image()]))
assert isinstance(two, Generation), two
queued = generate("rich", GenerationRequest(**FIELDS, async_=True))
assert isinstance(queued, QueuedGeneration), queued
polled = get_generation.sync(queued.id, client=client("rich"))
assert isinstance(polled, SavedGeneration), polled
rejected = create_generation.sync_detailed(client=client("poor"), body=GenerationRequest(**FIELDS))
assert isinstance(rejected.parsed, Error), rejected
models = list_models.sync(client=Client(base_url=URL))
balance = get_credits.sync(client=client("rich"))

print(  # noqa: T201 - the test reads it
    json.dumps(
        {
            "generation": generation.to_dict(),
            "one": one.to_dict(),
            "two": two.to_dict(),
            "queued": queued.to_dict(),
            "polled": polled.to_dict(),
            "rejected": {"status": rejected.status_code, "code": rejected.parsed.error.code},
            "models": [model.id for model in models.data],
            "credits": balance.credits_,
        }
    )
)
