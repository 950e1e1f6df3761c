"""What goes wrong on request: the provider's script, and the armed faults."""

from __future__ import annotations

from mockhub.web.desk import views
from mockhub.web.desk.call import Call, read
from mockhub.world.faults import Directive, outcome, parse, restrict
from mockhub.world.provider import Provider


def get_provider(call: Call) -> object:
    """The script."""
    provider = call.hub.provider
    return {"script": [views.outcome(one) for one in provider.script], "used": provider.used}


def script_provider(call: Call) -> object:
    """Another script, from its first outcome on."""
    texts = enumerate(call.body["script"])
    call.hub.provider = Provider([read(f"script[{index}]", outcome, text) for index, text in texts])
    return get_provider(call)


def list_faults(call: Call) -> object:
    """What is armed."""
    return {"faults": [views.armed(one) for one in call.hub.faults.armed.values()]}


def arm_fault(call: Call) -> object:
    """Arm a fault, or several in one text."""
    prompt = call.body.get("prompt")

    def wanted(text: str) -> list[Directive]:
        return [restrict(one, prompt=prompt) for one in parse(text)]

    call.hub.faults.arm(read("fault", wanted, call.body["fault"]))
    return list_faults(call)


def clear_faults(call: Call) -> object:
    """Disarm everything."""
    call.hub.faults.clear()
    return list_faults(call)
