from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from batcher.json_text import to_json


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_money_is_a_number_of_the_same_digits(usd: Decimal) -> None:
    assert json.loads(to_json({"usd": usd}), parse_float=Decimal)["usd"] == usd
