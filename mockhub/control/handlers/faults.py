"""Control-plane handlers for faults."""

from __future__ import annotations

from mockhub.control import serializers
from mockhub.control.context import ControlRequest, not_found, parse_field
from mockhub.faults.grammar import Directive, parse_directives, with_conditions
from mockhub.faults.types import FAULTS
from mockhub.spec.operations import OperationId


def list_fault_types(request: ControlRequest) -> object:
    has_provider = request.hub_registry.default.has_provider
    types = [one for one in FAULTS.values() if has_provider or one.target == "transport"]
    return {
        "faults": [serializers.fault_type(fault) for fault in types],
        "operations": sorted(OperationId),
    }


def list_faults(request: ControlRequest) -> object:
    faults = request.hub.faults
    faults.disarm_expired(request.hub.clock.now())
    return {
        "faults": [serializers.armed_fault(number, fault) for number, fault in faults.armed.items()]
    }


def arm_fault(request: ControlRequest) -> object:
    prompt = request.body.get("prompt")

    def parse(text: str) -> list[Directive]:
        return [with_conditions(fault, prompt=prompt) for fault in parse_directives(text)]

    request.hub.arm(parse_field("fault", parse, request.body["fault"]))
    return list_faults(request)


def disarm_fault(request: ControlRequest) -> object:
    armed, number = request.hub.faults.armed, int(request.path_params["fault"])
    if number not in armed:
        known = f"expected one of {', '.join(map(str, armed))}" if armed else "none is armed"
        raise not_found(f"there is no armed fault {number}; {known}")
    del armed[number]
    return list_faults(request)


def clear_faults(request: ControlRequest) -> object:
    request.hub.faults.clear()
    return list_faults(request)
