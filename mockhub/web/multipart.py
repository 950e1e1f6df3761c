"""Parse multipart/form-data bodies chunk by chunk: keep the text fields, hash the files."""

from __future__ import annotations

import logging
import re
from hashlib import sha256

from python_multipart.multipart import MultipartParser, parse_options_header

from mockhub.exceptions import ValidationError
from mockhub.spec.error_messages import describe_expected
from mockhub.spec.media_types import SNIFF_BYTES, sniff_media_type
from mockhub.spec.operations import FORM, FileConstraints, Operation
from mockhub.web.limits import Limits

# The `filename` parameter, also as `filename*=`, which python-multipart does not read.
_FILENAME = re.compile(rb";\s*filename\*?[0-9]*\*?\s*=", re.IGNORECASE)

# What the parser would log is in the response.
_SILENT_LOGGER = logging.Logger("mockhub.multipart")
_SILENT_LOGGER.disabled = True


class FormParser:
    """A parser of one form.

    Attributes:
        texts: The names and values of the text fields.
        digests: The SHA-256 digests of the files.
        unknown_files: The names of files that are not in the API spec, which are discarded.
        complete: Whether the last boundary was read.
    """

    def __init__(self, boundary: bytes, operation: Operation, limits: Limits) -> None:
        """Raise FormParserError if the boundary cannot be used."""
        self.texts: list[tuple[str, str]] = []
        self.digests: list[str] = []
        self.unknown_files: set[str] = set()
        self.complete = False
        self._file_constraints = operation.files
        self._fields = operation.bodies[FORM].fields
        self._limits = limits
        self._part_count = 0
        self._header = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
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
        )
        self._parser.logger = _SILENT_LOGGER

    def write(self, chunk: bytes) -> None:
        """Parse a chunk; raise FormParserError or ValidationError if it is not valid."""
        self._parser.write(chunk)

    def finalize(self) -> None:
        self._parser.finalize()

    def _on_part_begin(self) -> None:
        self._part_count += 1
        if self._part_count > self._limits.max_form_parts:
            raise ValidationError(
                f"The form has too many parts; expected at most {self._limits.max_form_parts}"
            )
        self._headers, self._part = {}, None

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _on_header_end(self) -> None:
        name, value = self._header
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
        is_file = _FILENAME.search(header) is not None
        self._part = self._part_for(name, is_file, has_file=options.get(b"filename") != b"")

    def _part_for(self, name: str, is_file: bool, *, has_file: bool) -> TextPart | FilePart | None:
        constraints = self._file_constraints.get(name)
        if constraints and not is_file:
            raise ValidationError(f"{name} is a text field; expected a file with a filename")
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
        if self._part:
            self._part.write(data[start:end])

    def _on_part_end(self) -> None:
        if isinstance(self._part, FilePart):
            if self._part.has_file:
                self.digests.append(self._part.close())
        elif self._part:
            self.texts.append((self._part.name, self._part.close()))

    def _on_end(self) -> None:
        self.complete = True


class TextPart:
    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self._max_bytes = max_bytes
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > self._max_bytes:
            raise ValidationError(
                f"{self.name} is too long; expected at most {self._max_bytes} bytes of text"
            )

    def close(self) -> str:
        try:
            return self._content.decode()
        except UnicodeDecodeError as error:
            raise ValidationError(f"{self.name} is not valid UTF-8 at byte {error.start}") from None


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
            description = found or (
                f"a file that begins with {self._first_bytes!r}" if self._first_bytes else "empty"
            )
            allowed = ", ".join(self._constraints.media_types)
            raise ValidationError(
                f"{self._name} is {description}; expected {allowed}, by its content"
            )
