"""`mockhub schema`: print the JSON Schemas of our own files, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mockhub._text import to_printable_json

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@click.argument("file", type=click.Choice(["scenario", "profile", "recording"]))
def schema(file: str) -> None:
    """Print the JSON Schema of a scenario, a profile of `mockhub verify`, or a recorded exchange.

    An editor that reads it completes and checks the file. Begin the file with this line:

    \b
    # yaml-language-server: $schema=scenario.schema.json
    """
    click.echo(to_printable_json(build_schema(file)))


def build_schema(file: str) -> Mapping[str, object]:
    """Return the JSON Schema of a kind of file, ``scenario``, ``profile`` or ``recording``."""
    if file == "scenario":
        from mockhub.scenarios.schema import scenario_schema as content
    elif file == "recording":
        from mockhub.recording.files import recording_schema as content
    else:
        from mockhub.verify.profile import profile_schema as content
    title = f"A {file} of mockhub"
    return {"$schema": _DIALECT, "title": title, **_standard_keywords(content())}


def _standard_keywords(schema: Any) -> Any:
    """Leave out our own keyword, which other readers of JSON Schema may reject."""
    if isinstance(schema, Mapping):
        return {
            name: _standard_keywords(value)
            for name, value in schema.items()
            if not (name == "parser" and isinstance(value, str))
        }
    return [*map(_standard_keywords, schema)] if isinstance(schema, list) else schema
