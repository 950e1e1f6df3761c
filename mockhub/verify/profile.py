"""The profile: what the suite is told of the implementation that it judges."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.spec.config_file import error_at

ROLES = ("valid", "other", "broke", "low", "expired", "revoked")

# Accounts of the mock's default scenario whose name is not the role that they play.
_MOCK_ACCOUNTS = {"valid": "rich", "broke": "poor"}

_KNOWN_KEYS = {
    "": ("base_url", "keys", "triggers", "limits", "state_handlers"),
    "keys": ROLES,
    "triggers": ("provider_failure", "partial"),
    "partial": ("prompt", "n", "delivered"),
    "limits": ("max_credits", "poll_timeout"),
}
_ENV_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Partial:
    """A prompt that makes the provider deliver fewer images than asked for."""

    prompt: str
    n: int
    delivered: int


@dataclass(frozen=True)
class Profile:
    """Where an implementation is, the keys to it, and how its provider can be made to misbehave."""

    base_url: str
    keys: Mapping[str, str]  # by role; raw
    provider_failure: str | None = None  # a prompt
    partial: Partial | None = None
    max_credits: int = 5000
    poll_timeout: float = 10  # seconds until a task has ended
    state_handlers: Path | None = (
        None  # a Python file with states that keys and prompts cannot give
    )

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

    def offers(self, requirement: str) -> bool:
        """Whether the profile has *requirement*: a role, a trigger, or `state_handlers`."""
        return requirement in self.keys or bool(getattr(self, requirement, None))


def mock_account(role: str) -> str:
    """Return the account of the mock's default scenario that plays *role*."""
    return _MOCK_ACCOUNTS.get(role, role)


def read_profile(path: Path, environ: Mapping[str, str] | None = None) -> Profile:
    """Read a profile strictly; ``${NAME}`` stands for a variable of *environ*.

    Raises:
        MockhubError: with the file, the line, the key, its value and what is allowed.
    """
    try:
        root = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MockhubError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, dict):
        raise MockhubError(f"{path}: expected a mapping that begins with base_url")
    return _ProfileReader(path, os.environ if environ is None else environ).read(root)


@dataclass(frozen=True)
class _ProfileReader:
    path: Path
    environ: Mapping[str, str]

    def read(self, root: Mapping[str, Any]) -> Profile:
        self._check_keys(root, "", ())
        keys = self._read_section(root, "keys", required=True)
        triggers = self._read_section(root, "triggers")
        limits = self._read_section(root, "limits")
        if "valid" not in keys:
            raise self._error(("keys",), "valid is missing; expected the key of a paying account")
        raw_keys = {role: self._read_text(keys, role, ("keys", role)) for role in keys}
        self._check_keys_differ(raw_keys)
        provider_failure = triggers.get("provider_failure")
        return Profile(
            base_url=self._read_base_url(root),
            keys=raw_keys,
            provider_failure=provider_failure
            and self._read_text(triggers, "provider_failure", ("triggers", "provider_failure")),
            partial=self._read_partial(triggers),
            max_credits=self._read_number(limits, "max_credits", 0, 5000, integer=True),
            poll_timeout=self._read_number(limits, "poll_timeout", 0, 10),
            state_handlers=self._read_state_handlers(root),
        )

    def _read_section(
        self, root: Mapping[str, Any], name: str, *, required: bool = False
    ) -> dict[str, Any]:
        section = root.get(name)
        if section is None and not required:
            return {}
        if not isinstance(section, dict):
            raise self._error((name,), f"{section!r} is not a mapping")
        self._check_keys(section, name, (name,))
        return section

    def _check_keys(
        self, section: Mapping[str, Any], section_name: str, pointer: tuple[str, ...]
    ) -> None:
        for name in section:
            if name not in _KNOWN_KEYS[section_name]:
                known = ", ".join(_KNOWN_KEYS[section_name])
                hint = suggest(str(name), _KNOWN_KEYS[section_name])
                raise self._error(
                    (*pointer, name), f"{name!r} is not known{hint}; known are {known}"
                )

    def _read_text(self, section: Mapping[str, Any], name: str, pointer: tuple[str, ...]) -> str:
        value = section.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._error(pointer, f"{value!r} is not a text")
        return _ENV_VARIABLE.sub(lambda match: self._read_variable(match[1], pointer), value)

    def _read_variable(self, name: str, pointer: tuple[str, ...]) -> str:
        if not self.environ.get(name):
            raise self._error(
                pointer, f"the environment has no {name}; set it, or leave this line out"
            )
        return self.environ[name]

    def _read_base_url(self, root: Mapping[str, Any]) -> str:
        url = self._read_text(root, "base_url", ("base_url",)).rstrip("/")
        try:
            split = urlsplit(url)
            is_valid = (
                split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
            )
        except ValueError:
            is_valid = False
        if not is_valid or split.query or split.fragment:
            raise self._error(
                ("base_url",), f"{url!r} is not an address such as http://127.0.0.1:8080"
            )
        return url.removesuffix("/api/v1")

    def _read_partial(self, triggers: Mapping[str, Any]) -> Partial | None:
        partial, pointer = triggers.get("partial"), ("triggers", "partial")
        if partial is None:
            return None
        if not isinstance(partial, dict):
            raise self._error(pointer, f"{partial!r} is not {{prompt: ..., n: 4, delivered: 3}}")
        self._check_keys(partial, "partial", pointer)
        prompt = self._read_text(partial, "prompt", (*pointer, "prompt"))
        n, delivered = partial.get("n"), partial.get("delivered")
        if not isinstance(n, int) or isinstance(n, bool) or not 2 <= n <= 4:
            raise self._error((*pointer, "n"), f"{n!r} is not a number from 2 to 4")
        if not isinstance(delivered, int) or not 1 <= delivered < n:
            raise self._error((*pointer, "delivered"), f"{delivered!r} is not from 1 to {n - 1}")
        return Partial(prompt, n, delivered)

    def _read_number(
        self,
        section: Mapping[str, Any],
        name: str,
        minimum: float,
        default: Any,
        *,
        integer: bool = False,
    ) -> Any:
        value = section.get(name, default)
        types = (int,) if integer else (int, float)
        if isinstance(value, bool) or not isinstance(value, types) or value < minimum:
            expected = "a whole number" if integer else "a number of seconds"
            raise self._error(("limits", name), f"{value!r} is not {expected}, {minimum} or more")
        return value

    def _read_state_handlers(self, root: Mapping[str, Any]) -> Path | None:
        if "state_handlers" not in root:
            return None
        file = self.path.parent / self._read_text(root, "state_handlers", ("state_handlers",))
        if not file.is_file():
            raise self._error(("state_handlers",), f"{file} is not a file")
        return file

    def _check_keys_differ(self, keys: Mapping[str, str]) -> None:
        seen: dict[str, str] = {}
        for role, key in keys.items():
            if key in seen:
                raise self._error(
                    ("keys", role), f"the key of {role} is that of {seen[key]}; expected another"
                )
            seen[key] = role

    def _error(self, pointer: tuple[str, ...], message: str) -> MockhubError:
        return error_at(self.path, pointer, message)
