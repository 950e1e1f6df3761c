"""Match requests with recorded ones: by method, path, query and body, not by volatile headers."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from mockhub._near_misses import differences, distance, join_near_misses
from mockhub.recording.files import RecordedExchange
from mockhub.recording.request_content import Content

Fields = dict[str, object]  # of a request, by the names that messages show


class _Missing:
    def __repr__(self) -> str:
        return "missing"


_MISSING = _Missing()

MATCHED_HEADERS = ("range", "if-none-match")
_MAX_COMPARED = 500  # recorded requests, and characters of a text, of which the nearest is found


def request_fields(
    method: str, path: str, query: str, headers: Mapping[str, str], content: Content
) -> Fields:
    """Return what a request is matched by.

    The order of the query, of the fields of JSON and of the names in a form does not matter.
    """
    fields: Fields = {"method": method, "path": path}
    for name, value in parse_qsl(query, keep_blank_values=True):
        fields.setdefault(f"query {name}", []).append(value)  # type: ignore[attr-defined]
    fields |= {name: headers[name] for name in MATCHED_HEADERS if name in headers}
    for kind, value in content.items():
        if kind == "size":
            continue
        fields["body"] = kind
        if kind == "form":
            fields |= _form_fields(value)
        elif isinstance(value, dict):
            fields |= {f"body.{name}": item for name, item in value.items()}
        else:
            fields[f"body {kind}"] = value
    return fields


def _form_fields(parts: Iterable[Mapping[str, Any]]) -> Fields:
    fields: defaultdict[str, list[object]] = defaultdict(list)
    for part in parts:
        value = part.get("value", f"file {part.get('sha256')}")
        fields[f"body.{part['name']}"].append(value)
    return dict(fields)


def recorded_fields(exchange: RecordedExchange) -> Fields:
    path, _, query = exchange.target.partition("?")
    return request_fields(
        exchange.method, unquote(path), query, exchange.request_headers, exchange.content
    )


class Matcher:
    """Finds the recorded exchanges of a request."""

    def __init__(self, exchanges: Sequence[RecordedExchange]) -> None:
        self._fields = [(exchange, recorded_fields(exchange)) for exchange in exchanges]
        self._by_key: defaultdict[str, list[RecordedExchange]] = defaultdict(list)
        for exchange, fields in self._fields:
            self._by_key[_canonical(fields)].append(exchange)

    def find(self, fields: Fields, body_size: int = 0) -> Sequence[RecordedExchange]:
        """Return the exchanges whose request is the same, in the order of the recording."""
        for alternative in _alternatives(fields, body_size):
            if found := self._by_key.get(_canonical(alternative)):
                return found
        return ()

    def near_misses(self, fields: Fields) -> list[str]:
        """Describe the nearest recorded requests, and how this one differs."""
        misses = []
        actual = _shortened(fields)
        for exchange, recorded in self._fields[:_MAX_COMPARED]:
            expected = _shortened(recorded)
            missing = dict.fromkeys([*actual, *expected], _MISSING)
            found = differences(missing | actual, missing | expected)
            description = f"{exchange.path.name}: {'; '.join(map(str, found))}"
            misses.append((distance(found), description))
        return join_near_misses(misses)


def _canonical(fields: Fields) -> str:
    return json.dumps(fields, sort_keys=True)


def _alternatives(fields: Fields, body_size: int) -> Iterator[Fields]:
    """Yield the request, and others whose recorded response is valid for it as well.

    A server may ignore a range and send the whole; HEAD is GET without the body; and of a body
    that the service did not read only the size is known.
    """
    plain = {name: value for name, value in fields.items() if name not in MATCHED_HEADERS}
    if fields["method"] == "HEAD":
        plain["method"] = "GET"
    without_body = {name: value for name, value in plain.items() if not name.startswith("body")}
    yield from (fields, plain)
    if "body" in fields:
        yield from (without_body | {"body": "unread", "body unread": n} for n in (body_size, 0))


def _shortened(fields: Fields) -> Fields:
    """Cut long texts, and show a field that a form or a query has once like one of JSON."""
    is_form = fields.get("body") == "form"
    shown: Fields = {}
    for name, value in fields.items():
        is_repeatable = is_form or name.startswith("query ")
        if is_repeatable and isinstance(value, list) and len(value) == 1:
            value = value[0]
        shown[name] = value[:_MAX_COMPARED] if isinstance(value, str) else value
    return shown
