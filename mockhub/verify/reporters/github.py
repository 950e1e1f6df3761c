"""Annotations of a GitHub workflow: one line for each finding."""

from __future__ import annotations

from collections.abc import Iterator

from mockhub._text import printable
from mockhub.verify.clauses import DOCUMENTED
from mockhub.verify.report import Report

_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY_ESCAPES = str.maketrans({":": "%3A", ",": "%2C"})


def workflow_commands(report: Report, *, artifact: str) -> Iterator[str]:
    """Yield the workflow commands; a documented finding is an error, an inferred one a warning.

    Args:
        artifact: The file that they are shown at, such as the profile.
    """
    for finding in report.findings:
        command = "error" if finding.level == DOCUMENTED else "warning"
        title = f"{finding.clause.id} ({finding.level})"
        lines = (finding.result.message, finding.reading, *finding.other_lines())
        text = report.secrets.redact("\n".join(printable(line) for line in lines))
        yield (
            f"::{command} file={_property(artifact)},title={_property(title)}"
            f"::{text.translate(_ESCAPES)}"
        )
    for note in report.notes:
        yield f"::notice::{report.secrets.redact(printable(note)).translate(_ESCAPES)}"


def _property(text: str) -> str:
    return printable(text).translate(_ESCAPES).translate(_PROPERTY_ESCAPES)
