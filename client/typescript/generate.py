"""Write ``src/answers.ts``, the types of answers and parameters, from the service's OpenAPI document.

``make client`` runs it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]

OUTPUT = Path(__file__).parent / "src" / "answers.ts"
SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
WIDTH = 118

HEAD = """// Types of answers and parameters, made by generate.py from /openapi.json of the service. Do not edit.
"""


def type_of(schema: Schema) -> str:
    """The TypeScript type of a JSON schema."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(map(type_of, schema[word])))
    if "allOf" in schema:
        return " & ".join(map(type_of, schema["allOf"]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of({**schema, "type": one}) for one in kind)
    if kind == "array":
        return _array_of(schema)
    if kind == "object":
        return _object_of(schema)
    return SIMPLE.get(str(kind), "unknown")


def declaration(name: str, schema: Schema) -> str:
    """An exported type of some name."""
    text = type_of(schema)
    comment = _comment(schema.get("description", ""), "")
    if text.startswith("{\n"):
        return f"{comment}export interface {name} {text}\n"
    return f"{comment}export type {name} = {text};\n"


def parameters_of(operation: Schema) -> str:
    """An exported interface of the query parameters of an operation."""
    name = "".join(part.capitalize() for part in operation["operationId"].split("_")) + "Options"
    rows = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    schema = {
        "type": "object",
        "properties": {one["name"]: {**one["schema"], "description": one.get("description", "")} for one in rows},
        "required": [one["name"] for one in rows if one.get("required")],
    }
    return declaration(name, {**schema, "description": f"Parameters of {operation['operationId']}."})


def document_types(document: Schema) -> str:
    """The whole file."""
    schemas = document["components"]["schemas"]
    operations = [one for path in document["paths"].values() for one in path.values()]
    asked = [one for one in operations if any(given["in"] == "query" for given in one.get("parameters", []))]
    return "\n".join(
        [HEAD, *(declaration(name, schemas[name]) for name in sorted(schemas)), *map(parameters_of, asked)]
    )


def _array_of(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(map(type_of, schema['prefixItems']))}]"
    items = type_of(schema.get("items", {}))
    return f"({items})[]" if " | " in items or " & " in items else f"{items}[]"


def _object_of(schema: Schema) -> str:
    """Members of an object; those of other names as an index."""
    required = set(schema.get("required", ()))
    lines = ["{"]
    for name, member in schema.get("properties", {}).items():
        key = name if IDENTIFIER.fullmatch(name) else json.dumps(name)
        lines.append(f"{_comment(member.get('description', ''), '  ')}  {key}{'' if name in required else '?'}: "
                     f"{type_of(member).replace(chr(10), chr(10) + '  ')};")  # fmt: skip
    others = schema.get("additionalProperties")
    if not schema.get("properties"):
        return f"Record<string, {type_of(others) if isinstance(others, Mapping) else 'unknown'}>"
    return "\n".join([*lines, "}"])


def _comment(text: str, indent: str) -> str:
    """A comment of one or several lines, or nothing."""
    words = " ".join(text.replace("*/", "* /").split())
    if not words:
        return ""
    if len(words) + len(indent) + 7 <= WIDTH:
        return f"{indent}/** {words} */\n"
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}\n" for line in _lines(words, WIDTH - len(indent) - 3)),
                    f"{indent} */\n"])  # fmt: skip


def _lines(words: str, width: int) -> Iterable[str]:
    line = ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


if __name__ == "__main__":
    OUTPUT.write_text(document_types(json.loads(Path(sys.argv[1]).read_bytes())), encoding="utf-8")
