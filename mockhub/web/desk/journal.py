"""What passed, and what the client does wrong."""

from __future__ import annotations

from mockhub.web.curl import as_curl
from mockhub.web.desk import views
from mockhub.web.desk.call import Call, Text, read
from mockhub.web.har import as_har
from mockhub.world.clock import SECOND, duration
from mockhub.world.journal import Record
from mockhub.world.report import report


def get_journal(call: Call) -> object:
    """The exchanges that fit every filter, in the form asked for."""
    hub, query = call.hub, call.query
    fitting = [record for record in hub.journal if _fits(record, query)][-query["limit"] :]
    base_url = call.pipeline.links(hub.name).base_url
    if query["format"] == "har":
        return as_har(fitting, base_url)
    if query["format"] == "curl":
        return Text("text/plain", as_curl(fitting, base_url, hub.law))
    return {
        "made": hub.journal.made,
        "kept": len(hub.journal),
        "exchanges": [views.exchange(record, hub) for record in fitting],
    }


def clear_journal(call: Call) -> object:
    """Forget what passed."""
    kept = len(call.hub.journal)
    call.hub.journal.clear()
    return {"gone": f"{kept} exchanges"}


def get_report(call: Call) -> object:
    """What the client does wrong, and never meets."""
    asked = call.query.get("poll_every")
    poll_every = SECOND if asked is None else read("poll_every", duration, asked)
    found = report(call.hub, poll_every=poll_every)
    if call.query["format"] == "text":
        return Text("text/plain", found.as_text() + "\n")
    return found.as_json()


def _fits(record: Record, query: object) -> bool:
    assert isinstance(query, dict)
    if record.number <= query["since"]:
        return False
    names = ("operation", "status", "account", "generation")
    return all(name not in query or getattr(record, name) == query[name] for name in names)
