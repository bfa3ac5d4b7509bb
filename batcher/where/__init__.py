"""A small language that selects requests: `status=failed and attempts<5`.

Pure. Knows nothing of ledgers and manifests, only of the fields they give, see
`batcher.record`.
"""

from batcher.where.expression import (
    And,
    Comparison,
    Expression,
    Not,
    Operator,
    Or,
    number_of,
    value_of,
)
from batcher.where.parser import MARKS, STATUSES, WhereError, parse

__all__ = [
    "MARKS",
    "STATUSES",
    "And",
    "Comparison",
    "Expression",
    "Not",
    "Operator",
    "Or",
    "WhereError",
    "number_of",
    "parse",
    "value_of",
]
