"""Writes values as JSON text: money as numbers, to the last digit."""

from __future__ import annotations

import msgspec

to_json = msgspec.json.Encoder(decimal_format="number").encode
"""Give a value's JSON, as bytes on one line."""
