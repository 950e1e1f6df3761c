"""Render HTML reports with Jinja2."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mockhub._text import plural, printable

if TYPE_CHECKING:
    from jinja2 import Template


def render_template(template: Path, *, keep: str = "\n", **values: object) -> str:
    """Render a template; text of other parties is escaped for HTML, and as `printable` does.

    Args:
        template: The file.
        keep: The control characters that stay as they are.
        values: What the template names, besides `plural`.
    """
    return _compile(template, keep).render(values)


@cache
def _compile(template: Path, keep: str) -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 60 ms, rarely needed

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value, keep=keep) if isinstance(value, str) else value,
    )
    environment.filters["plural"] = environment.globals["plural"] = plural
    return environment.get_template(template.name)
