"""Format HTTP requests as curl commands for a POSIX shell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

_KEY_VARIABLE = re.compile(r"(\$MOCKHUB_KEY\w*)")
_PLAIN_IN_DOUBLE_QUOTES = re.compile(r"[A-Za-z0-9 %&'()*+,./:;<=>?@\[\]^_{|}~-]*")
_DEFAULT_METHODS = {False: "GET", True: "POST"}  # curl's own choice without and with a body
_GLOB_CHARACTERS = frozenset("[]{}")
_URL = re.compile(r"([a-z]+://[^/?#]*)(.*)", re.DOTALL)
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%{}-]*")  # curl sends these as is
_DOT_SEGMENT = re.compile(r"/(\.|%2e)", re.IGNORECASE)
_PRINTF_ESCAPES = {"%": "%%", "\\": "\\\\", "'": "\\047", "\n": "\\n"}


class ShellText(str):
    """Text in which the shell replaces `$MOCKHUB_KEY`, and names that begin with it."""


@dataclass(frozen=True)
class File:
    """A file that curl reads: a whole body, or the content of a form field."""

    path: str
    media_type: str = ""


FormField = tuple[str, str | File]
Body = str | File | Sequence[FormField]


def curl_command(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]] = (),
    body: Body | None = None,
    *,
    separator: str = " ",
) -> str:
    """Return a curl command that sends one request as it is described.

    The caller redacts secrets. Bytes that are not UTF-8 are surrogates (PEP 383). Newlines and
    characters that are not printable are escaped, so that the command can be shown anywhere.

    Args:
        method: the HTTP method.
        url: the absolute URL, encoded as it is sent.
        headers: names and values. The content type of a form is left to curl.
        body: a literal text, a file, or the fields of a multipart form. HEAD has none.
        separator: stands between options.
    """
    if method == "HEAD":
        body = None
    headers = [*headers]
    options = [*_url_options(url), *_method_options(method, body)]
    is_form = body is not None and not isinstance(body, str | File)
    for name, value in headers:
        if not (is_form and name.lower() == "content-type"):
            options.append("-H " + _quote(_join_header(name, value)))
    if isinstance(body, str | File) and "content-type" not in {name.lower() for name, _ in headers}:
        options.append("-H Content-Type:")  # else curl sends that of a form
    if isinstance(body, str) and not body.isprintable():
        input_command = f"printf '{_printf_format(body)}' | "
        return input_command + separator.join([*options, "--data-binary @-"])
    return separator.join([*options, *_body_options(body)])


def _url_options(url: str) -> Iterator[str]:
    match = _URL.fullmatch(url)
    origin, target = match.groups() if match else (url, "")
    shown = type(url)(origin) if not _URL_CHARACTERS.fullmatch(target) else url
    yield f"curl {_quote(shown)}"
    if shown is not url:
        yield f"--request-target {_quote(type(url)(target))}"
    elif _GLOB_CHARACTERS & set(url):
        yield "--globoff"
    if _DOT_SEGMENT.search(target):
        yield "--path-as-is"


def _method_options(method: str, body: Body | None) -> Iterator[str]:
    if method == "HEAD":
        yield "--head"
    elif method != _DEFAULT_METHODS[body is not None]:
        yield f"-X {quote(method)}"


def _join_header(name: str, value: str) -> str:
    return type(value)(f"{name}: {value}" if value else f"{name};")  # curl drops "Name:"


def _body_options(body: Body | None) -> Iterator[str]:
    if isinstance(body, str):
        yield "--data-raw " + quote(body)
    elif isinstance(body, File):
        yield "--data-binary " + _quote(f"@{body.path}")
    else:
        for name, value in body or ():
            if isinstance(value, str):
                yield "--form-string " + _quote(f"{name}={value}")
            else:
                media_type = f";type={value.media_type}" if value.media_type else ""
                yield "-F " + _quote(f"{name}=@{value.path}{media_type}")


def _quote(text: str) -> str:
    if not isinstance(text, ShellText) or not _KEY_VARIABLE.search(text):
        return _quote_literally(text)
    if _PLAIN_IN_DOUBLE_QUOTES.fullmatch(_KEY_VARIABLE.sub("", text)):
        return f'"{text}"'
    parts = _KEY_VARIABLE.split(text)  # every second one is a variable
    return "".join(
        f'"{part}"' if index % 2 else _quote_literally(part)
        for index, part in enumerate(parts)
        if part
    )


def _quote_literally(text: str) -> str:
    if text.isprintable():
        return quote(text)
    rest = text.rstrip("\n")  # the shell would strip newlines from the end of the output
    end = text[len(rest) :]
    return f"\"$(printf '{_printf_format(rest)}')\"" + (quote(end) if end else "")


def _printf_format(text: str) -> str:
    """Return a format of `printf` that prints *text*, in one line."""
    formatted = "".join(map(_printf_escape, text))
    return formatted.replace("-", "\\055", 1) if formatted.startswith("-") else formatted


def _printf_escape(char: str) -> str:
    if char in _PRINTF_ESCAPES:
        return _PRINTF_ESCAPES[char]
    return char if char.isprintable() else "".join(f"\\{code:03o}" for code in _to_bytes(char))


def _to_bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # lone surrogates that were sent as such
        return text.encode("utf-8", "surrogatepass")
