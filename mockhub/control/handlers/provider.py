"""Control-plane handlers for the provider's script."""

from __future__ import annotations

from mockhub.control import serializers
from mockhub.control.context import ControlRequest, parse_field
from mockhub.domain.provider import Provider, parse_outcome


def get_provider(request: ControlRequest) -> object:
    provider, has_script = request.hub.provider, request.hub.has_provider
    return {
        "script": [serializers.outcome(one) for one in provider.script if has_script],
        "used": provider.used,
    }


def set_provider_script(request: ControlRequest) -> object:
    texts = enumerate(request.body["script"])
    request.hub.provider = Provider(
        [parse_field(f"script[{index}]", parse_outcome, text) for index, text in texts]
    )
    return get_provider(request)
