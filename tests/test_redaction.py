"""No part of an API key leaves by any exit, however it is encoded (AUTH-7)."""

from __future__ import annotations

import base64
import html
import json
import re
import socket
import string
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mockhub import _redaction
from mockhub._redaction import Redactor
from mockhub.cli.access_log import AccessLog
from mockhub.cli.main import main
from mockhub.domain.keys import key_digest
from mockhub.testing.exchanges import ExchangeList, RecordedExchange
from mockhub.testing.session_report import SessionReport
from tests.support.live_server import LiveHub, serve_hub

PREFIX = "gih_live_"
ALPHABET = string.ascii_letters + string.digits
FRAGMENT = 12

Encoder = Callable[[str], str]


def percent(text: str) -> str:
    return "".join(f"%{ord(char):02x}" for char in text)


ENCODERS: dict[str, Encoder] = {
    "raw": str,
    "percent": percent,
    "percent_twice": lambda key: quote(percent(key)),
    "percent_in_part": lambda key: key.replace("_", "%5F").replace("a", "%61"),
    "json": lambda key: "".join(f"\\u{ord(char):04X}" for char in key),
    "json_in_part": lambda key: f"\\u{ord(key[0]):04x}{key[1:]}",
    "json_twice": lambda key: "".join(f"\\\\u{ord(char):04x}" for char in key),
    "python": lambda key: "".join(f"\\x{ord(char):02x}" for char in key),
    "html": lambda key: "".join(f"&#{ord(char)};" for char in key),
    "html_hex": lambda key: "".join(f"&#x{ord(char):x};" for char in key),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64_of_user": lambda key: base64.b64encode(f"me:{key}".encode()).decode(),
    "base64_of_user_only": lambda key: base64.urlsafe_b64encode(f"{key}:".encode()).decode(),
    "base64_without_prefix": lambda key: base64.b64encode(key[len(PREFIX) :].encode()).decode(),
    "base64_twice": lambda key: base64.b64encode(base64.b64encode(key.encode())).decode(),
    "hex": lambda key: key.encode().hex(),
    "hyphens": lambda key: key.replace("_", "-"),
    "dots": lambda key: key.replace("_", "."),
    "no_separators": lambda key: key.replace("_", ""),
    "upper_case_prefix": lambda key: PREFIX.upper() + key[len(PREFIX) :],
    "without_prefix": lambda key: key[len(PREFIX) :],
    "in_a_word": lambda key: f"my{key}x",
    "without_prefix_in_a_word": lambda key: f"my{key[len(PREFIX) :]}xyz",
}
encoders = st.sampled_from(sorted(ENCODERS)).map(ENCODERS.__getitem__)
secrets = st.text(ALPHABET, min_size=32, max_size=32).filter(lambda text: len(set(text)) > 6)


def variants(text: str) -> Iterator[str]:
    """Yield *text* in every decoded form."""
    for _ in range(4):
        yield text
        text = html.unescape(unquote(text)).replace("\0", "")
        text = re.sub(r"\\(?:u00|x)([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
        text = text.replace("\\\\", "\\")
    for token in re.findall(r"[A-Za-z0-9+/_-]{16,}", text):
        if re.fullmatch("(?:[0-9a-fA-F]{2})+", token):
            yield bytes.fromhex(token).decode("latin-1")
        for start in range(4):
            decoded = from_base64(token[start:])
            yield decoded
            yield from_base64(re.sub("[^A-Za-z0-9+/]", "", decoded))


def from_base64(text: str) -> str:
    text = text.translate(str.maketrans("-_", "+/"))
    return base64.b64decode(text[: len(text) // 4 * 4]).decode("latin-1")


def find_fragment(text: str, secret: str) -> str | None:
    """Return a part of the secret that *text* shows."""
    parts = [secret[start : start + FRAGMENT] for start in range(len(secret) - FRAGMENT + 1)]
    for variant in variants(text):
        for part in parts:
            if part in variant:
                return part
    return None


# -- text ----------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(secrets, encoders, st.text(max_size=20), st.text(max_size=20))
def test_no_encoding_of_a_known_key_remains(
    secret: str, encode: Encoder, before: str, after: str
) -> None:
    """A server finds its keys by their digests."""
    digest = key_digest((PREFIX + secret).encode())

    def is_known(raw: str) -> bool:
        return key_digest(raw.encode()) == digest

    redact = Redactor(PREFIX, 32, is_known=is_known).redact
    text = redact(f"{before} {encode(PREFIX + secret)} {after}")
    assert find_fragment(text, secret) is None
    assert redact(text) == text


@given(st.lists(st.integers(0, 31)), st.integers(0, 5), st.lists(st.integers(0, 31)))
def test_key_without_its_prefix_is_found_behind_any_words(
    before: list[int], blanks: int, after: list[int]
) -> None:
    """However long they are."""
    secret = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0dF"
    words = [" ".join("x" * length for length in lengths) for lengths in (before, after)]
    text = f"{words[0]} {' ' * blanks}{secret} {words[1]}"
    assert Redactor(PREFIX, 32).redact(text) == text.replace(secret, "[redacted]")


@pytest.mark.parametrize("name", sorted({*ENCODERS} - {"without_prefix_in_a_word"}))
def test_unknown_key_is_found_by_its_format(name: str) -> None:
    """Such as the key of the real service, which the mock does not have."""
    secret = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0dF"
    text = Redactor(PREFIX, 32).redact(ENCODERS[name](PREFIX + secret))
    assert find_fragment(text, secret) is None


@pytest.mark.parametrize(
    "text",
    [
        "A lighthouse at dusk",
        "clx0123456789abcdef012345",
        "d41d8cd98f00b204e9800998ecf8427e",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "/api/v1/images/generations?a=%41%42",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "x" * 200,
        "thisisalongwordwithoutanyblanksinit",
        "the prefix gih_live_ alone",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    assert Redactor(PREFIX, 32).redact(text) == text


def test_only_the_key_is_replaced() -> None:
    """What surrounds it remains."""
    redact = Redactor(PREFIX, 32).redact
    key = PREFIX + "k" * 32
    assert redact(f"key={key}&a=1") == "key=[redacted]&a=1"
    assert redact(f'{{"a": "{key}", "b": "{key}"}}') == '{"a": "[redacted]", "b": "[redacted]"}'
    assert redact(f"/x/{percent(key)}/y") == "/x/[redacted]/y"


def test_utf_16_in_a_url_is_searched() -> None:
    """Only the escapes of the key are replaced, also where some of them are NULs."""
    key = PREFIX + "k1" * 16
    in_url = "".join(f"%{byte:02x}" for byte in key.encode("utf-16-be"))
    assert Redactor(PREFIX, 32).redact(f"%41%00{in_url}%20%42") == "%41%00%00[redacted]%20%42"


def test_many_escaped_keys_are_located_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The escapes of a text are read once for all of its keys."""
    texts: list[str] = []
    find_spans = _redaction.escape_spans
    monkeypatch.setattr(
        _redaction, "escape_spans", lambda text: [texts.append(text), *find_spans(text)][1:]
    )
    keys = [f"gih%5Flive%5F{number:032}" for number in range(300)]
    assert Redactor(PREFIX, 32).redact(" ".join(keys)) == " ".join(300 * ["[redacted]"])
    assert len(texts) < 10


def test_parts_of_many_quoted_keys_are_replaced() -> None:
    """An error message may quote a part of any key in the request."""
    keys = [f"{PREFIX}{number:04}{'aBc7' * 7}" for number in range(1000)]
    redacted = Redactor(PREFIX, 32).redact(
        f"unknown field 'x{keys[700][12:30].upper()}y'", quoted=" ".join(keys).encode()
    )
    assert redacted == "unknown field 'x[redacted]y'"


def test_utf_16_is_searched() -> None:
    content = f'{{"a": "{PREFIX}{"k1" * 16}"}}'.encode("utf-16-le")
    assert b"k\x001" not in Redactor(PREFIX, 32).redact_bytes(content)


# -- a server ------------------------------------------------------------------------------------


@dataclass(repr=False)
class Exits:
    """A running server, and what its logs have printed."""

    hub: LiveHub
    access_logs: tuple[AccessLog, ...]
    log: list[str]

    def flush(self) -> list[str]:
        for access_log in self.access_logs:
            self.hub.server.call(access_log.flush)
        return self.log


@pytest.fixture(scope="module")
def exits() -> Iterator[Exits]:
    log: list[str] = []
    access_logs = (AccessLog("debug", "text"), AccessLog("debug", "json"))
    with pytest.MonkeyPatch.context() as patch, serve_hub(control=True) as hub:
        patch.setattr(AccessLog, "print_line", lambda self, text: log.append(text))
        hub.app.api.observers += [access_log.log_request for access_log in access_logs]
        yield Exits(hub, access_logs, log)


def send_raw(url: str, request: bytes) -> str:
    address = urlsplit(url)
    with closing(socket.create_connection((address.hostname, address.port))) as connection:
        connection.sendall(request)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received.decode("latin-1")


def raw_request(method: str, target: str, headers: dict[str, str], body: str = "") -> bytes:
    headers = {"Host": "127.0.0.1", "Connection": "close"} | headers
    if body:
        headers |= {"Content-Length": str(len(body.encode()))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def requests_with(text: str, key: str) -> Iterator[bytes]:
    """Yield requests with *text* in each place where a client could put it."""
    json_headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    post = "/api/v1/images/generations"
    in_path = quote(text, safe="%")
    body = {"model": "gpt-image-2", "prompt": "PLACE", "size": "1024x1024"}
    prompt = json.dumps(body).replace("PLACE", text)
    yield raw_request("GET", "/api/v1/credits", {"Authorization": f"Bearer {text}"})
    for name in ("Authorization", "Proxy-Authorization"):
        yield raw_request("GET", "/api/v1/credits", {name: f"Basic {text}"})
    yield raw_request("GET", "/api/v1/credits", {"X-Api-Key": text, "Cookie": f"a={text}"})
    for target in (
        f"/{in_path}",
        f"/api/v1/generations/{in_path}",
        f"/api/v1/credits?key={in_path}",
        f"/hubs/{in_path}/api/v1/models",
        f"/images/{in_path}/1.png",
        f"/hubs/{in_path}/images/a/1.png",
        f"/_mockhub/{in_path}",
        f"/_mockhub/hubs/{in_path}",
    ):
        yield raw_request("GET", target, {"Authorization": f"Bearer {key}"})
    yield raw_request("POST", post, json_headers, prompt)
    yield raw_request("POST", post, json_headers, json.dumps({"PLACE": 1}).replace("PLACE", text))
    wrong = json.dumps(body | {"size": "PLACE", "quality": "PLACE"}).replace("PLACE", text)
    yield raw_request("POST", post, json_headers, wrong)
    yield raw_request("POST", post, json_headers | {"X-Mockhub": text}, prompt)
    yield raw_request("POST", post, json_headers | {"Prefer": f"code={text}"}, prompt)
    yield raw_request("POST", post, json_headers, prompt.replace(text, f"[[status={text}]]"))
    parts = "".join(
        f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (body | {"prompt": text, text.replace('"', ""): "1"}).items()
    )
    form_headers = json_headers | {"Content-Type": "multipart/form-data; boundary=B"}
    yield raw_request("POST", post, form_headers, parts + "--B--\r\n")


def everything_that_leaves(exits: Exits, responses: list[str]) -> dict[str, str]:
    """Return every text that the server and the tools show about the requests."""
    hub = exits.hub
    control = "/_mockhub/hubs/default"
    texts = {f"response {number}": text for number, text in enumerate(responses)}
    for path in (
        *("journal", "journal?format=har", "journal?format=curl", "report", "report?format=text"),
        *("generations", "keys", "faults"),
    ):
        texts[path] = hub.client.get(f"{control}/{path}").text
    texts["metrics"] = hub.client.get("/_mockhub/metrics").text
    texts["logs"] = "\n".join(exits.flush())
    for command in (["journal"], ["--json", "journal"], ["report"], ["generations"]):
        result = CliRunner().invoke(main, ["ctl", "--url", hub.url, *command])
        assert result.exit_code == 0, result.output
        texts[f"ctl {command}"] = result.output
    exchanges = ExchangeList(map(RecordedExchange.from_journal, hub.backend.journal))
    texts["pytest report"] = str(exchanges) + "".join(map(str, map(tuple, exchanges)))
    report = SessionReport()
    rows = [
        {name: getattr(row, name) for name in row._fields if name not in ("timestamp", "response")}
        | {"prompt": row.fields.get("prompt")}
        for row in exchanges
    ]
    client_report = hub.client.get(f"{control}/report").json()
    data = {**client_report, "credits_spent": 0, "journal": [{**row} for row in rows]}
    report.add("a test", json.dumps([data], default=str))
    texts["pytest summary"] = "\n".join(report.terminal_lines(show_hints=True))
    texts["html report"] = report.as_html()
    return texts


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # each example is half a second: do not shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(secrets, st.sampled_from(sorted(ENCODERS)))
def test_no_exit_shows_a_part_of_a_key(exits: Exits, secret: str, encoding: str) -> None:
    """Wherever the client puts a key of the hub, and however it encodes it."""
    hub, key = exits.hub, PREFIX + secret
    hub.client.delete("/_mockhub/hubs/default/journal")
    exits.flush().clear()
    hub.server.call(lambda: hub.backend.add_key("documentation", raw=key))
    account = hub.backend.accounts["documentation"]
    hub.server.call(lambda: hub.backend.grant(account, 100))
    text = ENCODERS[encoding](key)
    responses = [send_raw(hub.url, request) for request in requests_with(text, key)]
    texts = everything_that_leaves(exits, responses)
    assert {name for name in texts if find_fragment(texts[name], secret)} == set()
    assert len(texts["logs"].splitlines()) > 20
