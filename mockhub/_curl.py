"""Format HTTP requests as curl commands for a POSIX shell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

_KEY_VARIABLE = r"\$MOCKHUB_KEY\w*"
_ESCAPED_IN_DOUBLE_QUOTES = re.compile(rf'(?!{_KEY_VARIABLE})[\\"`$]')
_DEFAULT_METHODS = {False: "GET", True: "POST"}  # curl's own choice without and with a body
_GLOB_CHARACTERS = frozenset("[]{}")


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
    """Return a curl command that sends one request.

    The caller redacts secrets. `$MOCKHUB_KEY`, and names that begin with it, remain shell variables
    in the URL and in header values; everything else is quoted literally.

    Args:
        method: the HTTP method.
        url: the absolute URL.
        headers: names and values. The content type of a form is left to curl.
        body: a literal text, a file, or the fields of a multipart form.
        separator: stands between options.
    """
    is_form = body is not None and not isinstance(body, str | File)
    options = [f"curl {_quote_with_variables(url)}"]
    if _GLOB_CHARACTERS & set(url):
        options.append("--globoff")
    if method == "HEAD":
        options.append("--head")
    elif method != _DEFAULT_METHODS[body is not None]:
        options.append(f"-X {method}")
    for name, value in headers:
        if not (is_form and name.lower() == "content-type"):
            header = f"{name}: {value}" if value else f"{name};"  # curl drops "Name:"
            options.append("-H " + _quote_with_variables(header))
    if body is not None:
        options += _body_options(body)
    return separator.join(options)


def _body_options(body: Body) -> Iterator[str]:
    if isinstance(body, str):
        yield "--data-raw " + quote(body)
    elif isinstance(body, File):
        yield "--data-binary " + quote(f"@{body.path}")
    else:
        for name, value in body:
            if isinstance(value, str):
                yield "--form-string " + quote(f"{name}={value}")
            else:
                media_type = f";type={value.media_type}" if value.media_type else ""
                yield "-F " + quote(f"{name}=@{value.path}{media_type}")


def _quote_with_variables(text: str) -> str:
    if not re.search(_KEY_VARIABLE, text):
        return quote(text)
    return '"' + _ESCAPED_IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text) + '"'
