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

from mockhub.spec.document import error_at, nearest
from mockhub.spec.errors import MockhubError

ROLES = ("valid", "other", "broke", "low", "expired", "revoked")

_KNOWN = {
    "": ("base_url", "keys", "triggers", "limits", "provision"),
    "keys": ROLES,
    "triggers": ("provider_failure", "partial"),
    "partial": ("prompt", "n", "delivered"),
    "limits": ("max_credits", "poll_timeout"),
}
_ENV = re.compile(r"\$\{(\w+)\}")


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
    provision: Path | None = None  # a Python file with states that keys and prompts cannot give

    def offers(self, need: str) -> bool:
        """Whether *need*, a role or a trigger, is there."""
        return need in self.keys or bool(getattr(self, need, None))


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
    return _Reader(path, os.environ if environ is None else environ).profile(root)


@dataclass(frozen=True)
class _Reader:
    path: Path
    environ: Mapping[str, str]

    def profile(self, root: Mapping[str, Any]) -> Profile:
        self._known(root, "", ())
        keys = self._section(root, "keys", required=True)
        triggers = self._section(root, "triggers")
        limits = self._section(root, "limits")
        if "valid" not in keys:
            raise self._error(("keys",), "valid is missing; expected the key of a paying account")
        raw = {role: self._text(keys, role, ("keys", role)) for role in keys}
        self._all_different(raw)
        failure = triggers.get("provider_failure")
        return Profile(
            base_url=self._base_url(root),
            keys=raw,
            provider_failure=failure
            and self._text(triggers, "provider_failure", ("triggers", "provider_failure")),
            partial=self._partial(triggers),
            max_credits=self._number(limits, "max_credits", 0, 5000, whole=True),
            poll_timeout=self._number(limits, "poll_timeout", 0, 10),
            provision=self._provision(root),
        )

    def _section(
        self, root: Mapping[str, Any], name: str, *, required: bool = False
    ) -> dict[str, Any]:
        section = root.get(name)
        if section is None and not required:
            return {}
        if not isinstance(section, dict):
            raise self._error((name,), f"{section!r} is not a mapping")
        self._known(section, name, (name,))
        return section

    def _known(self, section: Mapping[str, Any], kind: str, at: tuple[str, ...]) -> None:
        for name in section:
            if name not in _KNOWN[kind]:
                known = ", ".join(_KNOWN[kind])
                hint = nearest(str(name), _KNOWN[kind])
                raise self._error((*at, name), f"{name!r} is not known{hint}; known are {known}")

    def _text(self, section: Mapping[str, Any], name: str, at: tuple[str, ...]) -> str:
        value = section.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._error(at, f"{value!r} is not a text")
        return _ENV.sub(lambda match: self._variable(match[1], at), value)

    def _variable(self, name: str, at: tuple[str, ...]) -> str:
        if not self.environ.get(name):
            raise self._error(at, f"the environment has no {name}; set it, or leave this line out")
        return self.environ[name]

    def _base_url(self, root: Mapping[str, Any]) -> str:
        url = self._text(root, "base_url", ("base_url",)).rstrip("/")
        try:
            split = urlsplit(url)
            good = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
        except ValueError:
            good = False
        if not good or split.query or split.fragment:
            raise self._error(
                ("base_url",), f"{url!r} is not an address such as http://127.0.0.1:8080"
            )
        return url.removesuffix("/api/v1")

    def _partial(self, triggers: Mapping[str, Any]) -> Partial | None:
        partial, at = triggers.get("partial"), ("triggers", "partial")
        if partial is None:
            return None
        if not isinstance(partial, dict):
            raise self._error(at, f"{partial!r} is not {{prompt: ..., n: 4, delivered: 3}}")
        self._known(partial, "partial", at)
        prompt = self._text(partial, "prompt", (*at, "prompt"))
        n, delivered = partial.get("n"), partial.get("delivered")
        if not isinstance(n, int) or isinstance(n, bool) or not 2 <= n <= 4:
            raise self._error((*at, "n"), f"{n!r} is not a number from 2 to 4")
        if not isinstance(delivered, int) or not 1 <= delivered < n:
            raise self._error((*at, "delivered"), f"{delivered!r} is not from 1 to {n - 1}")
        return Partial(prompt, n, delivered)

    def _number(
        self,
        section: Mapping[str, Any],
        name: str,
        least: float,
        usual: Any,
        *,
        whole: bool = False,
    ) -> Any:
        value = section.get(name, usual)
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < least:
            what = "a whole number" if whole else "a number of seconds"
            raise self._error(("limits", name), f"{value!r} is not {what}, {least} or more")
        return value

    def _provision(self, root: Mapping[str, Any]) -> Path | None:
        if "provision" not in root:
            return None
        file = self.path.parent / self._text(root, "provision", ("provision",))
        if not file.is_file():
            raise self._error(("provision",), f"{file} is not a file")
        return file

    def _all_different(self, keys: Mapping[str, str]) -> None:
        seen: dict[str, str] = {}
        for role, key in keys.items():
            if key in seen:
                raise self._error(
                    ("keys", role), f"the key of {role} is that of {seen[key]}; expected another"
                )
            seen[key] = role

    def _error(self, at: tuple[str, ...], message: str) -> MockhubError:
        return error_at(self.path, at, message)
