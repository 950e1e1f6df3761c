"""Read and write recordings: one YAML file an exchange, long or binary bodies by digest."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from sys import maxsize
from typing import Any

import orjson
import yaml

from mockhub._files import write_atomically
from mockhub.exceptions import MockhubError
from mockhub.recording.request_content import Content
from mockhub.spec.config_file import ConfigSchema, error_at, integer, load_yaml, mapping, string

INDEX = "recording.yaml"
VERSION = 1
BASE_URL = "http://mockhub.invalid"  # in recorded bodies and headers: the address of the server

_INDEX_TEXT = f"""\
# A recording of mockhub, which `mockhub serve --replay` and `mockhub drift` read.
version: {VERSION}
"""
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_DIGEST = "[0-9a-f]{64}"
_MAX_STATUS = 599
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Writes text of several lines as a block."""


def _represent_text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class RecordedExchange:
    """One exchange of a recording.

    Attributes:
        path: Its file.
        time: When the request arrived, in seconds since the recording began.
        seconds: How long the response took.
        key: The label of the API key, such as ``key-1``; None without one.
        content: The body of the request.
        headers: The headers of the response, without Content-Length unless it has no body.
        body: The body of the response.
    """

    path: Path
    time: float
    seconds: float
    method: str
    target: str
    key: str | None
    request_headers: Mapping[str, str]
    content: Content
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def number(self) -> int:
        """The number at the beginning of the file's name, or 0."""
        return _number(self.path)

    @property
    def response_json(self) -> Any:
        """The JSON in the body of the response, or None."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def response_object(self) -> dict[str, Any]:
        """The JSON object in the body of the response; empty if it has none."""
        content = self.response_json
        return content if isinstance(content, dict) else {}


_FILE_NAME = string(
    "a file of this directory, named by its SHA-256, such as images/....png",
    pattern=rf"^(images|bodies)/{_DIGEST}\.[a-z0-9]+$",
)
_HEADERS = {
    "description": "headers by name",
    "type": "object",
    "additionalProperties": {
        "description": "a text in one line; quote it",
        "type": "string",
        "pattern": "^[\\t\\x20-\\x7e\\x80-\\xff]*$",
    },
}
_TEXT = {"description": "a text", "type": "string"}
_SECONDS = {"description": "a number of seconds of at least 0", "type": "number", "minimum": 0}
_SHA256 = string("a SHA-256 of 64 hexadecimal digits", pattern=f"^{_DIGEST}$")
_SIZE = integer("a whole number of bytes", 0)
_PART = {
    "name": _TEXT,
    "value": _TEXT,
    "media_type": string("a media type such as image/png"),
    "size": _SIZE,
    "sha256": _SHA256,
}
_REQUEST_BODY = {
    "json": {},
    "text": _TEXT,
    "form": {
        "description": "a list of parts",
        "type": "array",
        "items": mapping("a part with a name", _PART, ("name",)),
    },
    "sha256": _SHA256,
    "unread": integer("the number of bytes of a body that was not read, or 0", 0),
}
_RESPONSE_BODY = {"json": {}, "text": _TEXT, "file": _FILE_NAME}
_REQUEST = mapping(
    "a method and a target",
    {
        "method": string("a method such as GET"),
        "target": string("a path such as /api/v1/credits, with its query", pattern="^/"),
        "key": string("a label such as key-1"),
        "headers": _HEADERS,
        "size": _SIZE,
        **_REQUEST_BODY,
    },
    ("method", "target"),
)
_RESPONSE = mapping(
    "a status",
    {
        "status": integer(f"a status from 100 to {_MAX_STATUS}", 100, _MAX_STATUS),
        "headers": _HEADERS,
        **_RESPONSE_BODY,
    },
    ("status",),
)
_EXCHANGE = ConfigSchema(
    mapping(
        "a request and a response",
        {"time": _SECONDS, "seconds": _SECONDS, "request": _REQUEST, "response": _RESPONSE},
        ("request", "response"),
    )
)
_INDEX = ConfigSchema(mapping("a version", {"version": integer("a whole number", 1)}, ("version",)))


def recording_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file of an exchange, for editors."""
    return _EXCHANGE.schema


# -- reading -------------------------------------------------------------------------------------


def load_recording(directory: Path) -> tuple[RecordedExchange, ...]:
    """Load a recording.

    Raises:
        MockhubError: naming the file, the line, the key and what is allowed.
    """
    _check_index(directory)
    paths = _exchange_paths(directory)
    if not paths:
        raise MockhubError(f"{directory}: has no exchanges; expected files such as 0001-....yaml")
    return _load(tuple((path, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=16)
def _load(versions: tuple[tuple[Path, int], ...]) -> tuple[RecordedExchange, ...]:
    return tuple(_load_exchange(path) for path, _ in versions)


def _exchange_paths(directory: Path) -> list[Path]:
    """Return the files of the exchanges by number, then those that have none by name."""
    paths = (path for path in directory.glob("[!.]*.yaml") if path.name != INDEX)
    return sorted(paths, key=lambda path: (_number(path) or maxsize, path.name))


def _number(path: Path) -> int:
    """Return the number at the beginning of a file's name, or 0."""
    prefix = path.name.partition("-")[0]
    return int(prefix) if prefix.isascii() and prefix.isdecimal() else 0


def _check_index(directory: Path) -> None:
    if not directory.is_dir():
        reason = "is not a directory" if directory.exists() else "does not exist"
        raise MockhubError(f"{directory}: {reason}; expected one that `--record` has written")
    path = directory / INDEX
    if not path.is_file():
        raise MockhubError(
            f"{directory}: has no {INDEX}; expected a directory that `--record` has written"
        )
    version = _INDEX.load(path)["version"]
    if version != VERSION:
        raise error_at(path, ("version",), f"{version} is not supported; expected {VERSION}")


def _load_exchange(path: Path) -> RecordedExchange:
    document = _EXCHANGE.load(path)
    request, response = document["request"], document["response"]
    for place in ("request", "response"):
        for name in document[place].get("headers", {}):
            if not _HEADER_NAME.fullmatch(name):
                raise error_at(path, (place, "headers", name), "is not the name of a header")
    content = _only(path, "request", request, _REQUEST_BODY)
    for index, part in enumerate(content.get("form", ())):
        if ("value" in part) == ("sha256" in part):
            pointer = ("request", "form", index)
            raise error_at(path, pointer, "the part needs either a value or a sha256")
    return RecordedExchange(
        path,
        time=document.get("time", 0.0),
        seconds=document.get("seconds", 0.0),
        method=request["method"],
        target=request["target"],
        key=request.get("key"),
        request_headers=request.get("headers", {}),
        content=content,
        status=response["status"],
        headers=response.get("headers", {}),
        body=_response_body(path, response),
    )


def _only(path: Path, place: str, entry: Mapping[str, Any], allowed: Mapping[str, Any]) -> Content:
    """Return the one key of *entry* that has the body, and its value."""
    found = {name: entry[name] for name in allowed if name in entry}
    if len(found) > 1:
        names = " and ".join(found)
        raise error_at(path, (place, [*found][1]), f"{names} are both given; expected one body")
    return found


def _response_body(path: Path, response: Mapping[str, Any]) -> bytes:
    for kind, value in _only(path, "response", response, _RESPONSE_BODY).items():
        if kind == "json":
            return orjson.dumps(value)
        if kind == "text":
            return str(value).encode()
        return _read_by_digest(path, path.parent / value)
    return b""


def _read_by_digest(path: Path, file: Path) -> bytes:
    pointer = ("response", "file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise error_at(path, pointer, f"{file} cannot be read: {error.strerror}") from None
    if (digest := sha256(content).hexdigest()) != file.stem:
        raise error_at(path, pointer, f"{file} was changed: its SHA-256 is {digest}")
    return content


# -- writing -------------------------------------------------------------------------------------


def prepare_directory(directory: Path) -> tuple[int, float]:
    """Create a directory for a recording, or continue the recording in it.

    Returns:
        The number of the last exchange, and the time at which it ended.

    Raises:
        MockhubError: if it cannot be written, or has something else in it.
    """
    if directory.exists() and not directory.is_dir():
        raise MockhubError(f"{directory}: is not a directory")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_empty = not any(directory.glob("[!.]*"))
        if is_empty:
            write_atomically(directory / INDEX, _INDEX_TEXT.encode())
        elif not (directory / INDEX).is_file():
            raise MockhubError(
                f"{directory}: is not empty and has no {INDEX}; expected an empty directory, or a "
                "recording to continue"
            )
        probe = directory / ".probe.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise MockhubError(f"{directory}: cannot be written: {error.strerror}") from None
    _check_index(directory)
    for draft in directory.rglob(".*.tmp"):  # of a process that was killed
        draft.unlink()
    numbered = [path for path in _exchange_paths(directory) if _number(path)]
    if not numbered:
        return 0, 0.0
    last = _load_exchange(numbered[-1])
    return _number(last.path), last.time + last.seconds


def write_exchange(path: Path, document: Mapping[str, object]) -> bool:
    """Write the file of an exchange; return False if it would not be read back as it is."""
    draft = path.with_name(f".{path.name}.tmp")
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    draft.write_text(text, "utf-8")
    try:
        is_equal = bool(load_yaml(draft) == document)
    except MockhubError:
        is_equal = False
    if is_equal:
        os.replace(draft, path)
    else:
        draft.unlink()
    return is_equal


def write_by_digest(directory: Path, content: bytes, media_type: str) -> str:
    """Write a body beside the exchanges, unless it is there; return its name."""
    kind, _, subtype = media_type.partition("/")
    extension = {"jpeg": "jpg", "plain": "txt"}.get(subtype, subtype)
    folder = "images" if kind == "image" else "bodies"
    extension = extension if extension.isalnum() and extension.islower() else "bin"
    name = f"{folder}/{sha256(content).hexdigest()}.{extension}"
    path = directory / name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, content)
    return name
