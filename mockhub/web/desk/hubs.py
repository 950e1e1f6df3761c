"""Hubs: made, shown, changed, forked, reset and dropped."""

from __future__ import annotations

from itertools import count
from typing import Any

from mockhub.spec.coerce import Invalid
from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError
from mockhub.web.desk import views
from mockhub.web.desk.call import Call, conflict, missing
from mockhub.web.desk.clock import chosen_clock
from mockhub.world.clock import SystemClock
from mockhub.world.hub import Hub
from mockhub.world.ids import Ids
from mockhub.world.scenarios import Scenario, build, from_json, load, shipped

ACCOUNT = "tester"
CREDITS = 1000

_WORLDS = ("scenario", "world")
_PLAIN_ONLY = ("credits", "account_type")


def list_hubs(call: Call) -> object:
    """Every hub."""
    links = call.pipeline.links
    return {"hubs": [views.hub_line(hub, links(hub.name)) for hub in call.store]}


def make_hub(call: Call) -> object:
    """A hub of a scenario or of a described world, or a plain one with its key."""
    name = _free_name(call)
    clock = chosen_clock(call.body["clock"], SystemClock()) if "clock" in call.body else None
    made: dict[str, Any] = {}
    if scenario := _scenario(call):
        law, seed = call.pipeline.law, call.body.get("seed")
        hub = build(scenario, name, law, clock=clock, seed=seed)
    else:
        hub = Hub(name, call.pipeline.law, clock=clock, seed=call.body.get("seed", 0))
        made = {"account": ACCOUNT, "key": _furnish(hub, call)}
    hub.image_format = call.body.get("image_format", hub.image_format)
    hub.remember_start()
    call.store.put(hub)
    return {"hub": _page(call, hub), **made}


def get_hub(call: Call) -> object:
    """One hub."""
    return _page(call, call.hub)


def change_hub(call: Call) -> object:
    """Its seed, image format or memory."""
    hub = call.hub
    if "seed" in call.body:
        hub.ids = Ids(call.body["seed"], used=hub.ids.used)  # no id is given twice
    hub.image_format = call.body.get("image_format", hub.image_format)
    hub.keep = call.body.get("keep", hub.keep)
    return _page(call, hub)


def drop_hub(call: Call) -> object:
    """Let it go, but for the default one."""
    name = call.hub.name
    try:
        call.store.drop(name)
    except MockhubError as error:
        raise conflict(str(error)) from None
    return {"gone": f"hub {name}"}


def fork_hub(call: Call) -> object:
    """The same world under another name."""
    twin = call.hub.fork(_free_name(call))
    twin.remember_start()
    return _page(call, call.store.put(twin))


def reset_hub(call: Call) -> object:
    """Back to its start."""
    call.store.reset(call.hub.name)
    return _page(call, call.hub)


def _page(call: Call, hub: Hub) -> dict[str, Any]:
    return views.hub_page(hub, call.pipeline.links(hub.name))


def _free_name(call: Call) -> str:
    """The name that the body asks for, or one that nobody has."""
    name: str | None = call.body.get("name")
    if name is None:
        return next(name for name in map("hub-{}".format, count(1)) if name not in call.store)
    if name in call.store:
        raise conflict(f"there is a hub {name!r} already; drop or reset it, or choose another name")
    return name


def _scenario(call: Call) -> Scenario | None:
    """The starting world that the body names or describes, if it does."""
    given = [name for name in (*_WORLDS, *_PLAIN_ONLY) if name in call.body]
    if not set(given) & set(_WORLDS):
        return None
    if len(given) > 1:
        raise Invalid(f"{given[0]} and {given[1]} are both given; expected one of them")
    if "world" in call.body:
        return from_json("the body's world", call.body["world"])
    known, asked = shipped(), call.body["scenario"]
    if asked not in known:
        hint = nearest(asked, known)
        raise missing(f"there is no scenario {asked!r}{hint}; known are {', '.join(known)}")
    return load(known[asked])


def _furnish(hub: Hub, call: Call) -> str:
    """One account with credits and a key, which is returned."""
    account = hub.add_account(ACCOUNT, account_type=call.body.get("account_type", "PRO"))
    hub.grant(account, call.body.get("credits", CREDITS))
    return hub.add_key(ACCOUNT)
