"""The manifest's JSON Schema, for editors (draft 2020-12).

Made from the same tables that the reader checks by. A template may stand wherever a
number or a truth value may, since it is filled in later.
"""

from __future__ import annotations

from batcher import sizes
from batcher.manifest.field import LONGEST_PROMPT, MOST_IMAGES
from batcher.models import ErrorClass
from batcher.settings import setting_types

Schema = dict[str, object]

_TEXT: Schema = {"type": "string", "minLength": 1}
_TEMPLATE: Schema = {"type": "string", "pattern": r"\{\{"}
_IMAGE: Schema = {
    "description": "A path beside the manifest, Base64, a data: URI or a URL.",
    "anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}],
}


def manifest_schema() -> Schema:
    """Give the schema of a YAML manifest."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batcher manifest",
        "type": "object",
        "required": ["requests"],
        "additionalProperties": False,
        "properties": {
            "name": {**_TEXT, "description": "Default: the file's stem."},
            "endpoint": {
                "type": "string",
                "pattern": "^[^/]+$",
                "description": "A profile's name; never a URL.",
            },
            "settings": {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: _setting(name) for name in setting_types()},
            },
            "seed": {
                "type": "integer",
                "description": "Decides what pick() and wildcard() draw; default 0.",
            },
            "vars": {"type": "object"},
            "defaults": _fields(extra=_mapping("Fields to send as they are.")),
            "output": {**_TEXT, "description": "Where images go, without an ending."},
            "requests": {"type": "array", "minItems": 1, "items": _entry()},
        },
    }


def _entry() -> Schema:
    combination = {"type": "object", "minProperties": 1}
    combinations: Schema = {"type": "array", "items": combination}
    return _fields(
        name=_TEXT,
        extra=_mapping("Fields to send as they are."),
        matrix={
            "type": "object",
            "additionalProperties": _axis(),
            "description": "One request per combination of the axes' values.",
        },
        zip={
            "type": "array",
            "items": {"type": "array", "items": _TEXT, "minItems": 2},
            "description": "Axes that advance together.",
        },
        exclude=combinations,
        include=combinations,
        samples={"type": "integer", "minimum": 1},
        rows={**_TEXT, "description": "A CSV file; one request per row."},
        vars=_mapping("Variables of this entry."),
        output=_TEXT,
    )


def _axis() -> Schema:
    bounds = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
    return {
        "anyOf": [
            {"type": "array", "minItems": 1},
            _exactly(range={**bounds, "maxItems": 3}),
            _exactly(file=_TEXT),
            _exactly(csv=_TEXT, column=_TEXT),
        ]
    }


def _fields(**others: Schema) -> Schema:
    """Give the schema of a mapping that holds request fields."""
    labels = [f"{label}{tier}" for label in _RATIOS for tier in ("", "(2K)", "(4K)")]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "model": _TEXT,
            "prompt": {**_TEXT, "maxLength": LONGEST_PROMPT},
            "n": _or_template(
                {"type": "integer", "minimum": 0, "maximum": MOST_IMAGES}
            ),
            "size": {"type": "string", "examples": [*labels, sizes.AUTO]},
            "image": _IMAGE,
            "response_format": _or_template({"enum": ["url", "b64_json"]}),
            "quality": {**_TEXT, "examples": ["low", "medium", "high", "auto"]},
            "style": {},
            "background": {"examples": ["transparent", "opaque", "auto"]},
            "watermark": _or_template({"type": "boolean"}),
            "output_format": {**_TEXT, "examples": ["png", "jpeg", "webp"]},
            "output_compression": _or_template(
                {"type": "integer", "minimum": 0, "maximum": 100}
            ),
            "moderation": {**_TEXT, "examples": ["low", "auto"]},
            "user": _TEXT,
            **others,
        },
    }


def _setting(name: str) -> Schema:
    return {**_SETTING_KINDS.get(name, {"type": ["number", "string"]})}


def _mapping(words: str) -> Schema:
    return {"type": "object", "description": words}


def _exactly(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_template(schema: Schema) -> Schema:
    return {"anyOf": [schema, _TEMPLATE, {"type": "null"}]}


_RATIOS = ("1:1", "4:3", "3:2", "2:3", "16:9", "9:16")
_SETTING_KINDS: dict[str, Schema] = {
    "concurrency": {"type": "integer", "minimum": 1},
    "max_attempts": {"type": "integer", "minimum": 1},
    "max_images": {"type": "integer", "minimum": 1},
    "adaptive": {"type": "boolean"},
    "wait_for_quota": {"type": "boolean"},
    "embed_metadata": {"type": "boolean"},
    "lease": {"type": "number", "minimum": 2},
    "on_unknown": {"enum": ["retry", "skip"]},
    "duplicates": {"enum": ["once", "each"]},
    "on_mismatch": {"enum": ["keep", "fail", "retry"]},
    "on_lost_url": {"enum": ["fail", "buy"]},
    "references_as": {"enum": ["base64", "data_uri"]},
    "stop_on": {"type": "array", "items": {"enum": [*ErrorClass]}},
    "retry": {"type": "object", "additionalProperties": {"type": "integer"}},
}
