"""Profiles: the address, keys and limits of the implementation to check."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import (
    ConfigSchema,
    Pointer,
    error_at,
    integer,
    load_yaml,
    mapping,
    string,
)
from mockhub.verify.clauses import clauses

_ACCOUNT_ROLES = ("valid", "other", "low", "broke")
ROLES = (*_ACCOUNT_ROLES, "expired", "revoked")

# Accounts of the mock's default scenario whose name is not the role that they play.
_MOCK_ACCOUNTS = {"valid": "rich", "broke": "poor"}

_ENV_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Acceptance(NamedTuple):
    """A known deviation from a clause: why it is accepted, and the last day on which it is."""

    clause: str
    reason: str
    until: str = ""

    def has_expired(self) -> bool:
        """Return whether its last day is over, in UTC."""
        return bool(self.until) and self.until < time.strftime("%Y-%m-%d", time.gmtime())


class Timeouts(NamedTuple):
    """Seconds to wait for a connection, a response and a generation; None for the usual ones."""

    connect: float | None = None
    read: float | None = None
    generation: float | None = None


@dataclass(frozen=True)
class Partial:
    """A prompt that makes the provider deliver fewer images than requested."""

    prompt: str
    n: int
    delivered: int


@dataclass(frozen=True)
class Profile:
    """What the suite knows about an implementation.

    Attributes:
        keys: Raw keys by role.
        provider_failure: A prompt that makes the provider fail.
        max_credits: The credits that no run exceeds.
        poll_timeout: Seconds within which a task ends.
        generation_limit: Seconds after which a task has failed; the documented limit by default.
        state_handlers: A Python file that brings the implementation into provider states.
        accepted: Deviations that are known and do not count.
        headers: Headers that are sent with every request.
        ca_file: Certificates of the authorities to trust, in PEM.
        proxy: The address of an HTTP proxy.
        rate: The most requests to send in a second; None for no limit.
        checks: A Python file with further checks.
    """

    base_url: str
    keys: Mapping[str, str]
    provider_failure: str | None = None
    partial: Partial | None = None
    max_credits: int = 5000
    poll_timeout: float = 10
    generation_limit: float | None = None
    state_handlers: Path | None = None
    accepted: tuple[Acceptance, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None
    proxy: str | None = None
    timeouts: Timeouts = Timeouts()
    rate: float | None = None
    checks: Path | None = None

    @classmethod
    def for_mock(cls, url: str, keys: Mapping[str, str]) -> Profile:
        """Describe a mock that serves its default scenario at *url*.

        Args:
            keys: The raw keys of the scenario by account name, such as `rich` and `poor`.
        """
        return cls(
            url,
            {role: keys[mock_account(role)] for role in ROLES},
            provider_failure="[[fail]] A ship in a storm",
            partial=Partial("[[deliver=3]] A ship in a storm", n=4, delivered=3),
        )

    def acceptance(self, clause: str) -> Acceptance | None:
        """Return the acceptance of a deviation from *clause*, if there is one that holds."""
        holding = (each for each in self.accepted if not each.has_expired())
        return next((each for each in holding if each.clause == clause), None)

    @property
    def account_roles(self) -> list[str]:
        """The roles of its keys that the implementation accepts, `valid` first."""
        return [role for role in _ACCOUNT_ROLES if role in self.keys]

    def offers(self, requirement: str) -> bool:
        """Return whether it has *requirement*: a role, a trigger, or `state_handlers`."""
        return requirement in self.keys or bool(getattr(self, requirement, None))

    def without(self, trigger: str) -> Profile:
        """Return the profile without the trigger `provider_failure` or `partial`."""
        if trigger == "partial":
            return replace(self, partial=None)
        return replace(self, provider_failure=None)


def mock_account(role: str) -> str:
    """Return the account of the mock's default scenario that plays *role*."""
    return _MOCK_ACCOUNTS.get(role, role)


def read_profile(path: Path, environ: Mapping[str, str] | None = None) -> Profile:
    """Read a profile strictly; ``${NAME}`` stands for a variable of *environ*.

    Raises:
        MockhubError: with the file, the line, the key, its value and what is allowed.
    """
    content = _expand(load_yaml(path), os.environ if environ is None else environ, path, ())
    _SCHEMA.check(content, path)
    triggers, limits = content.get("triggers") or {}, content.get("limits") or {}
    _check_keys_differ(content["keys"], path)
    return Profile(
        base_url=_parse_base_url(content["base_url"]),
        keys=content["keys"],
        provider_failure=triggers.get("provider_failure"),
        partial=_partial(triggers.get("partial"), path),
        max_credits=limits.get("max_credits", Profile.max_credits),
        poll_timeout=limits.get("poll_timeout", Profile.poll_timeout),
        state_handlers=_file(content, "state_handlers", path),
        accepted=tuple(
            _acceptance(entry, index, path)
            for index, entry in enumerate(content.get("accept") or ())
        ),
        headers=content.get("headers") or {},
        ca_file=_file(content, "ca_file", path),
        proxy=content.get("proxy"),
        timeouts=Timeouts(**(content.get("timeouts") or {})),
        rate=content.get("rate"),
        checks=_file(content, "checks", path),
    )


def _parse_base_url(text: str) -> str:
    url = text.rstrip("/")
    try:
        split = urlsplit(url)
        is_valid = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or split.query or split.fragment or re.search(r"[\s\0-\x1f\x7f]", text):
        raise MockhubError(f"{url!r} is not an address such as http://127.0.0.1:8080")
    return url.removesuffix("/api/v1")


def _parse_proxy(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+/?", text):
        raise MockhubError(f"{text!r} is not an address such as http://127.0.0.1:3128")
    return text


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | {"type": [schema["type"], "null"]}


_PROMPT = string("a prompt", pattern=r"\S")
_KEY = string(
    "a key as a string of ASCII characters, without spaces and line breaks",
    pattern=r"^[!-~]+$",
    writeOnly=True,
)
_PARTIAL = mapping(
    "a mapping such as {prompt: a prompt, n: 4, delivered: 3}",
    {
        "prompt": _PROMPT,
        "n": integer("a whole number from 2 to 4", 2, 4),
        "delivered": integer("a whole number from 1", 1),
    },
    required=("prompt", "n", "delivered"),
)
_TRIGGERS = mapping(
    "a mapping such as {provider_failure: a prompt}",
    {"provider_failure": _optional(_PROMPT), "partial": _optional(_PARTIAL)},
)
_SECONDS = {
    "description": "a number of seconds from 0 to 86400",
    "type": "number",
    "minimum": 0,
    "maximum": 86_400,
}
_LIMITS = mapping(
    "a mapping such as {max_credits: 5000, poll_timeout: 10}",
    {"max_credits": integer("a whole number, 0 or more", 0), "poll_timeout": _SECONDS},
)
_TIMEOUTS = mapping(
    "a mapping such as {connect: 5, read: 10, generation: 60}",
    dict.fromkeys(Timeouts._fields, _SECONDS | {"exclusiveMinimum": 0}),
)
_ACCEPT = {
    "description": "a list of deviations such as {clause: ERR-2, reason: a reason}",
    "type": "array",
    "items": mapping(
        "a deviation such as {clause: ERR-2, reason: a reason, until: 2027-01-31}",
        {
            "clause": string("the id of a clause, such as ERR-2"),
            "reason": string("a reason", pattern=r"\S"),
            "until": string("a date such as '2027-01-31'", pattern=r"\d{4}-\d{2}-\d{2}"),
        },
        required=("clause", "reason"),
    ),
}
_SCHEMA = ConfigSchema(
    mapping(
        "a mapping such as {base_url: http://127.0.0.1:8080, keys: {valid: gih_live_...}}",
        {
            "base_url": string("an address such as http://127.0.0.1:8080", parser="base_url"),
            "keys": mapping(
                "a mapping with valid, the key of a paying account",
                dict.fromkeys(ROLES, _KEY),
                required=("valid",),
            ),
            "triggers": _optional(_TRIGGERS),
            "limits": _optional(_LIMITS),
            "state_handlers": string("the name of a Python file"),
            "checks": string("the name of a Python file with checks"),
            "accept": _ACCEPT,
            "headers": {
                "description": "a mapping such as {X-Tenant: staging}",
                "type": "object",
                "propertyNames": string("the name of a header", pattern=r"^[A-Za-z0-9_-]+$"),
                "additionalProperties": string(
                    "a text of ASCII characters, without line breaks and outer spaces",
                    pattern=r"^[!-~]([\t -~]*[!-~])?$",
                    writeOnly=True,  # it may be a token
                ),
            },
            "ca_file": string("the name of a PEM file"),
            "proxy": string("an address such as http://127.0.0.1:3128", parser="proxy"),
            "timeouts": _TIMEOUTS,
            "rate": {
                "description": "a number of requests in a second, from 0.1 to 1000",
                "type": "number",
                "minimum": 0.1,
                "maximum": 1000,
            },
        },
        required=("base_url", "keys"),
    ),
    {"base_url": _parse_base_url, "proxy": _parse_proxy},
)


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema of profiles, for editors."""
    return _SCHEMA.schema


def _expand(value: Any, environ: Mapping[str, str], path: Path, pointer: Pointer) -> Any:
    """Replace ``${NAME}`` in every text of *value*."""
    if isinstance(value, dict):
        return {
            name: _expand(item, environ, path, (*pointer, name)) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, environ, path, (*pointer, i)) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in _ENV_VARIABLE.findall(value):
        if not environ.get(name):
            message = f"the environment has no {name}; set it, or leave this line out"
            raise error_at(path, pointer, message)
    return _ENV_VARIABLE.sub(lambda match: environ[match[1]], value)


def _partial(entry: Mapping[str, Any] | None, path: Path) -> Partial | None:
    if entry is None:
        return None
    n, delivered = entry["n"], entry["delivered"]
    if delivered >= n:
        message = f"{delivered} is not valid; expected a whole number from 1 to {n - 1}"
        raise error_at(path, ("triggers", "partial", "delivered"), message)
    return Partial(entry["prompt"], n, delivered)


def _file(content: Mapping[str, Any], name: str, path: Path) -> Path | None:
    if content.get(name) is None:
        return None
    file = path.parent / str(content[name])
    if not file.is_file():
        raise error_at(path, (name,), f"{file} is not a file")
    return file


def _acceptance(entry: Mapping[str, str], index: int, path: Path) -> Acceptance:
    pointer = ("accept", index)
    if entry["clause"] not in clauses():
        message = f"{entry['clause']!r} is not a clause{suggest(entry['clause'], clauses())}"
        raise error_at(path, (*pointer, "clause"), message)
    try:
        date.fromisoformat(entry.get("until", "2000-01-01"))
    except ValueError:
        message = f"{entry['until']!r} is not a date; expected one such as '2027-01-31'"
        raise error_at(path, (*pointer, "until"), message) from None
    return Acceptance(**entry)


def _check_keys_differ(keys: Mapping[str, str], path: Path) -> None:
    roles: dict[str, str] = {}
    for role, key in keys.items():
        if (first := roles.setdefault(key, role)) != role:
            message = f"the key of {role} is that of {first}; expected another"
            raise error_at(path, ("keys", role), message)
