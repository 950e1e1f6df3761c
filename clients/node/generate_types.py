"""Write the types of the control plane, as clients/node/control.d.ts has them, to stdout."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_SIMPLE = {"integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(schema: Mapping[str, Any], indent: str = "") -> str:
    """Return the type of what a schema of control.yaml accepts."""
    if reference := schema.get("$ref"):
        return str(reference).rsplit("/", 1)[-1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema and "type" not in schema:
        return " | ".join(typescript(one, indent) for one in schema["anyOf"])
    kinds = schema.get("type", [])
    names = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(_of_type(name, schema, indent) for name in names) or "unknown"


def _of_type(name: str, schema: Mapping[str, Any], indent: str) -> str:
    if name == "array":
        return f"Array<{typescript(schema.get('items', {}), indent)}>"
    if name == "object":
        return _object(schema, indent)
    return _SIMPLE.get(name, "string")


def _object(schema: Mapping[str, Any], indent: str) -> str:
    lines = []
    for name, value in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else "?"
        lines.append(f"{indent}  {name}{optional}: {typescript(value, indent + '  ')};")
    others = schema.get("additionalProperties")
    if not lines:
        value = typescript(others, indent) if isinstance(others, Mapping) else "unknown"
        return f"Record<string, {value}>"
    return "\n".join(["{", *lines, f"{indent}}}"])


def generate() -> str:
    """Return the text of control.d.ts."""
    schemas = yaml.safe_load((ROOT / "mockhub/control/control.yaml").read_text("utf-8"))
    declarations = ["// Generated from mockhub/control/control.yaml by generate_types.py."]
    for name, schema in schemas["components"]["schemas"].items():
        declarations.append(f"export type {name} = {typescript(schema)};")
    return "\n\n".join(declarations) + "\n"


if __name__ == "__main__":
    sys.stdout.write(generate())
