"""Reads an expression, and says where and why one cannot be read.

    expression := all { "or" all }
    all        := part { "and" part }
    part       := "not" part | "(" expression ")" | field operator value
    operator   := "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"

Fields and values are bare words or in quotes, where a backslash takes the next
character as it is.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from batcher import sizes
from batcher.errors import UsageError
from batcher.ledger.standing import State
from batcher.where.expression import (
    BARE,
    KEYWORDS,
    And,
    Comparison,
    Expression,
    Not,
    Operator,
    Or,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STATUSES = ("new", *(state.value for state in State))
"""What `status` may be; `new` is a request that no ledger names."""

MARKS = ("pick", "reject")
"""What `mark` may be, where a file of marks was given."""

DEEPEST = 50
"""Parentheses and `not` within each other; Python's stack holds many more."""

_TOKEN = re.compile(
    r"(?P<open>\()|(?P<close>\))|(?P<operator>!=|!~|<=|>=|[=<>~])"
    r"|(?P<quoted>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    rf"|(?P<word>{BARE.pattern})",
    re.DOTALL,
)
_BLANK = re.compile(r"\s*")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class WhereError(UsageError):
    """The expression cannot be read.

    Attributes:
        column: 1-based place of the mistake, in characters.
    """

    def __init__(self, text: str, column: int, message: str) -> None:
        self.column = column
        shown = "".join(char if char.isprintable() else " " for char in text)
        indent = "".join(_blank(char) for char in shown[: column - 1])
        super().__init__(f"--where: column {column}: {message}\n  {shown}\n  {indent}^")


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        WhereError: It is none; the message shows where and what was expected.
    """
    return _Parser(text).whole()


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    text: str
    column: int

    @property
    def keyword(self) -> str | None:
        """The keyword it is, if any; in quotes it is none."""
        word = self.text.lower()
        return word if self.kind == "word" and word in KEYWORDS else None

    @property
    def is_text(self) -> bool:
        """Tell whether it may be a field or a value."""
        return self.kind == "quoted" or (self.kind == "word" and self.keyword is None)

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


class _Parser:
    """Recursive descent, a method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._token = next(self._tokens)
        self._depth = 0

    def whole(self) -> Expression:
        """Read to the end."""
        expression = self._any()
        if self._token.kind != "end":
            raise self._expected("'and', 'or' or the end")
        return expression

    def _any(self) -> Expression:
        parts = self._chain(self._all, "or")
        return parts[0] if len(parts) == 1 else Or(parts=parts)

    def _all(self) -> Expression:
        parts = self._chain(self._part, "and")
        return parts[0] if len(parts) == 1 else And(parts=parts)

    def _chain(
        self, rule: Callable[[], Expression], keyword: str
    ) -> tuple[Expression, ...]:
        parts = [rule()]
        while self._token.keyword == keyword:
            self._take()
            parts.append(rule())
        return tuple(parts)

    def _part(self) -> Expression:
        rule = _NESTED.get(self._token.keyword or self._token.kind)
        if rule is None:
            return self._comparison()
        if self._depth == DEEPEST:
            raise self._expected(f"at most {DEEPEST} parts within each other")
        self._depth += 1
        self._take()
        part = rule(self)
        self._depth -= 1
        return part

    def _negation(self) -> Expression:
        return Not(part=self._part())

    def _group(self) -> Expression:
        part = self._any()
        if self._token.kind != "close":
            raise self._expected("'and', 'or' or ')'")
        self._take()
        return part

    def _comparison(self) -> Comparison:
        if not self._token.is_text:
            raise self._expected("a field such as status, 'not' or '('")
        field = self._take().text
        if self._token.kind != "operator":
            raise self._expected(f"one of {' '.join(Operator)}")
        sign = self._sign(field)
        if not self._token.is_text:
            raise self._expected("a value; quote keywords and what holds blanks")
        return Comparison(field=field, operator=sign, value=self._value(field, sign))

    def _sign(self, field: str) -> Operator:
        sign = Operator(self._token.text)
        if field == "since":
            if sign not in _SINCE:
                raise self._expected(f"one of {' '.join(_SINCE)} after since")
            sign = _SINCE[sign]
        self._take()
        return sign

    def _value(self, field: str, sign: Operator) -> str:
        token = self._take()
        reader = _READERS.get(field)
        if reader is None or sign in (Operator.LIKE, Operator.UNLIKE):
            return token.text
        try:
            return reader(token.text)
        except ValueError as error:
            raise WhereError(self._text, token.column, str(error)) from error

    def _take(self) -> _Token:
        """Give the token at hand and go on to the next."""
        token, self._token = self._token, next(self._tokens)
        return token

    def _expected(self, what: str) -> WhereError:
        words = f"expected {what}, got {self._token}"
        return WhereError(self._text, self._token.column, words)


_NESTED: Mapping[str, Callable[[_Parser], Expression]] = {
    "not": _Parser._negation,  # noqa: SLF001 - the grammar's own table
    "open": _Parser._group,  # noqa: SLF001
}

_SINCE = {
    Operator.IS: Operator.AT_MOST,  # since=2h: ended two hours ago or later
    Operator.BELOW: Operator.BELOW,
    Operator.AT_MOST: Operator.AT_MOST,
    Operator.ABOVE: Operator.ABOVE,
    Operator.AT_LEAST: Operator.AT_LEAST,
}


def _tokens(text: str) -> Iterator[_Token]:
    at = _end_of_blank(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "'!=' or '!~'" if text[at] == "!" else f"a closing {text[at]}"
            raise WhereError(text, at + 1, f"expected {what}")
        kind, found = str(match.lastgroup), match[0]
        if kind == "quoted":
            found = re.sub(r"\\(.)", r"\1", found[1:-1], flags=re.DOTALL)
        yield _Token(kind=kind, text=found, column=at + 1)
        at = _end_of_blank(text, match.end())
    yield _Token(kind="end", text="", column=len(text) + 1)


def _end_of_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _status(text: str) -> str:
    if text not in STATUSES:
        raise ValueError(f"expected a status, {', '.join(STATUSES)}, got {text!r}")
    return text


def _mark(text: str) -> str:
    if text not in MARKS:
        raise ValueError(f"expected a mark, {' or '.join(MARKS)}, got {text!r}")
    return text


def _seconds(text: str) -> str:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a duration such as 30m, 2h or 1d, got {text!r}")
    return f"{Decimal(match[1]) * _SECONDS[match[2]]:f}"


_READERS: Mapping[str, Callable[[str], str]] = {
    "size": sizes.resolve,
    "status": _status,
    "mark": _mark,
    "since": _seconds,
}
"""Fields whose values are checked, and brought to the form that records have."""


def _blank(char: str) -> str:
    return (
        "\N{IDEOGRAPHIC SPACE}" if unicodedata.east_asian_width(char) in "WF" else " "
    )
