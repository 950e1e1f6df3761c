"""Parse multipart/form-data bodies chunk by chunk: keep the text fields, hash the files."""

from __future__ import annotations

import logging
import re
from hashlib import sha256

from python_multipart.multipart import MultipartParser, parse_options_header

from mockhub._text import format_value, printable
from mockhub.exceptions import ValidationError
from mockhub.spec.error_messages import describe_expected
from mockhub.spec.media_types import SNIFF_BYTES, sniff_media_type
from mockhub.spec.operations import FORM, FileConstraints, Operation
from mockhub.web.limits import Limits
from mockhub.web.multipart_delimiters import DelimiterNormalizer

# The `filename` parameter, also as `filename*=`, which python-multipart does not read.
_FILENAME = re.compile(rb";\s*filename\*?[0-9]*\*?\s*=", re.IGNORECASE)

_MAX_PART_HEADERS, _MAX_PART_HEADER_BYTES = 8, 4096
_TRANSFER_ENCODINGS = ("binary", "8bit", "7bit")

# The encodings of text fields; everything that is ASCII is UTF-8 as well.
_CODECS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "windows-1252",
}

# What the parser would log is in the response.
_SILENT_LOGGER = logging.Logger("mockhub.multipart")
_SILENT_LOGGER.disabled = True


class FormParser:
    """A parser of one form.

    Args:
        boundary: The boundary.
        operation: The operation, which has the fields.
        limits: The bounds.
        charset: The encoding of the text fields that state none.

    Attributes:
        digests: The SHA-256 digests of the files.
        unknown_files: The names of files that are not in the API spec, which are discarded.
        complete: Whether the last boundary was read.
    """

    def __init__(
        self, boundary: bytes, operation: Operation, limits: Limits, *, charset: str = "utf-8"
    ) -> None:
        """Raise FormParserError if the boundary cannot be used."""
        self.digests: list[str] = []
        self.unknown_files: set[str] = set()
        self.complete = False
        self._file_constraints = operation.files
        self._fields = operation.bodies[FORM].fields
        self._limits = limits
        self._charset = charset
        self._texts: list[TextPart] = []
        self._delimiters = DelimiterNormalizer(boundary)
        self._part_count = 0
        self._text_bytes = 0
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._header_count = 0
        self._part: TextPart | FilePart | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=_MAX_PART_HEADERS + 1,  # so that the messages are ours
            max_header_size=2 * _MAX_PART_HEADER_BYTES,
        )
        self._parser.logger = _SILENT_LOGGER

    def write(self, chunk: bytes) -> None:
        """Parse a chunk; raise FormParserError or ValidationError if it is not valid."""
        if normalized := self._delimiters.feed(chunk):
            self._parser.write(normalized)

    def finalize(self) -> None:
        """Parse the end; raise FormParserError or ValidationError if it is not valid."""
        if rest := self._delimiters.finish():
            self._parser.write(rest)
        elif not self._delimiters.started:
            raise ValidationError(
                "The boundary of Content-Type does not occur in the body; expected it, "
                "after two hyphens, on the line before each part"
            )
        self._parser.finalize()

    def texts(self) -> list[tuple[str, str]]:
        """Return the names and values of the text fields; raise ValidationError if undecodable.

        A field `_charset_` states the encoding of those that state none (RFC 7578).
        """
        charset = self._charset
        for part in self._texts:
            if part.name == "_charset_":
                charset = require_charset(part.decode("utf-8"), "_charset_")
        return [(part.name, part.decode(charset)) for part in self._texts]

    def _on_part_begin(self) -> None:
        self._part_count += 1
        if self._part_count > self._limits.max_form_parts:
            raise ValidationError(
                f"The form has too many parts; expected at most {self._limits.max_form_parts}"
            )
        self._headers, self._header_count, self._part = {}, 0, None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _on_header_end(self) -> None:
        name, value = self._header
        self._header_count += 1
        if self._header_count > _MAX_PART_HEADERS:
            raise ValidationError(
                f"A part of the form has too many headers; expected at most {_MAX_PART_HEADERS}"
            )
        if len(name) + len(value) > _MAX_PART_HEADER_BYTES:
            raise ValidationError(
                "A header of a part of the form is too long; "
                f"expected at most {_MAX_PART_HEADER_BYTES} bytes"
            )
        self._headers[name.lower()] = value
        self._header = [b"", b""]

    def _on_headers_finished(self) -> None:
        header = self._headers.get(b"content-disposition", b"")
        disposition, options = parse_options_header(header)
        if disposition != b"form-data" or b"name" not in options:
            raise ValidationError(
                f"Part {self._part_count} of the form has no name; "
                'expected Content-Disposition: form-data; name="..."'
            )
        name = options[b"name"].decode("utf-8", "replace")
        media_type, parameters = parse_options_header(self._headers.get(b"content-type", b""))
        is_file = _FILENAME.search(header) is not None or _is_file_type(
            media_type, accepts_files=name in self._file_constraints
        )
        self._part = self._part_for(name, is_file, has_file=options.get(b"filename") != b"")
        if self._part is not None:
            self._check_transfer_encoding(name)
        if isinstance(self._part, TextPart) and (charset := parameters.get(b"charset")):
            self._part.charset = require_charset(charset.decode("latin-1"), name)

    def _check_transfer_encoding(self, name: str) -> None:
        encoding = self._headers.get(b"content-transfer-encoding", b"binary").decode("latin-1")
        if encoding.strip().lower() not in _TRANSFER_ENCODINGS:
            raise ValidationError(
                f"{name}: Content-Transfer-Encoding {format_value(encoding)} is not supported; "
                f"expected {', '.join(_TRANSFER_ENCODINGS)}"
            )

    def _part_for(self, name: str, is_file: bool, *, has_file: bool) -> TextPart | FilePart | None:
        constraints = self._file_constraints.get(name)
        if constraints and not is_file:
            raise ValidationError(
                f"{name} is a text field; expected a file with a filename or an image type"
            )
        if constraints:
            return FilePart(name, constraints, has_file=has_file)
        if is_file and name in self._fields:
            raise ValidationError(
                f"{name} is a file; expected {describe_expected(self._fields[name])}"
            )
        if is_file:
            self.unknown_files.add(name)
            return None
        return TextPart(name, self._limits.max_text_field_bytes)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if isinstance(self._part, TextPart):
            self._text_bytes += end - start
            if self._text_bytes > self._limits.max_form_text_bytes:
                raise ValidationError(
                    "The text fields of the form are too long; expected at most "
                    f"{self._limits.max_form_text_bytes} bytes in all of them"
                )
        if self._part:
            self._part.write(data[start:end])

    def _on_part_end(self) -> None:
        if isinstance(self._part, FilePart):
            if self._part.has_file:
                self.digests.append(self._part.close())
        elif self._part:
            self._texts.append(self._part)

    def _on_end(self) -> None:
        self.complete = True


def require_charset(charset: str, place: str) -> str:
    """Return the charset in lower case; raise ValidationError if it is not supported."""
    if (lowered := charset.strip().lower()) in _CODECS:
        return lowered
    raise ValidationError(
        f"{place}: charset {format_value(charset)} is not supported; "
        "expected utf-8, iso-8859-1 or windows-1252"
    )


def _is_file_type(media_type: bytes, *, accepts_files: bool) -> bool:
    """Return whether a part without a filename is a file: an image, or where one is expected."""
    if media_type.startswith(b"image/"):
        return True
    return accepts_files and media_type == b"application/octet-stream"


class TextPart:
    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self.charset: str | None = None
        self._max_bytes = max_bytes
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > self._max_bytes:
            raise ValidationError(
                f"{self.name} is too long; expected at most {self._max_bytes} bytes of text"
            )

    def decode(self, default_charset: str) -> str:
        charset = self.charset or default_charset
        try:
            return self._content.decode(_CODECS[charset])
        except UnicodeDecodeError as error:
            shown = _CODECS[charset].upper()
            raise ValidationError(
                f"{self.name} is not valid {shown} at byte {error.start}"
            ) from None


class FilePart:
    """A file, whose size, type and digest are determined without keeping its content.

    A browser sends a file input in which nothing was chosen as an empty file with an empty name:
    *has_file* is then false.
    """

    def __init__(self, name: str, constraints: FileConstraints, *, has_file: bool) -> None:
        self.has_file = has_file
        self._name = name
        self._constraints = constraints
        self._first_bytes = b""
        self._size = 0
        self._digest = sha256()

    def write(self, chunk: bytes) -> None:
        if len(self._first_bytes) < SNIFF_BYTES:
            self._first_bytes = (self._first_bytes + chunk)[:SNIFF_BYTES]
            if len(self._first_bytes) == SNIFF_BYTES:
                self._check_type()
        self.has_file = True
        self._size += len(chunk)
        if self._size > self._constraints.max_bytes:
            limit = self._constraints.max_bytes
            raise ValidationError(
                f"{self._name} is too large; expected at most {limit} bytes a file"
            )
        self._digest.update(chunk)

    def close(self) -> str:
        if len(self._first_bytes) < SNIFF_BYTES:
            self._check_type()
        return self._digest.hexdigest()

    def _check_type(self) -> None:
        found = sniff_media_type(self._first_bytes)
        if found not in self._constraints.media_types:
            start = printable(self._first_bytes.decode(errors="backslashreplace"))
            description = found or (f'a file that begins with "{start}"' if start else "empty")
            allowed = ", ".join(self._constraints.media_types)
            raise ValidationError(
                f"{self._name} is {description}; expected {allowed}, by its content"
            )
