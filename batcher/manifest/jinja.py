"""The Jinja2 that templates run in: no side effects, no chance, a bounded effort.

A manifest may come from anybody and is rendered a million times, so a template can
neither reach out of its sandbox, nor draw lots but its request's own (an id must come
out the same tomorrow), nor work or grow without end. Knows nothing of manifests. Loaded
only when needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, TypeVar

from jinja2 import (
    StrictUndefined,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
    nodes,
    pass_context,
)
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from batcher.manifest.effort import GROWTH, MOST_WORK, check_width, product, weight
from batcher.manifest.lot import DRAWS, LOT, Lot, LotError

if TYPE_CHECKING:
    from jinja2 import Environment

Filter = TypeVar("Filter", bound=Callable[..., object])
Render = Callable[[Mapping[str, object]], object]

FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float"),
    *("format", "groupby", "int", "items", "join", "last", "length", "list", "lower"),
    *("map", "max", "min", "reject", "rejectattr", "replace", "reverse", "select"),
    *("selectattr", "sort", "string", "sum", "title", "trim", "truncate", "unique"),
    *("upper", "urlencode", "wordcount"),
)
"""Jinja2's filters that are left: none draws lots, makes HTML, or pads at will."""

METHODS = (
    *("capitalize", "casefold", "count", "cycle", "endswith", "find", "get", "index"),
    *("isalnum", "isalpha", "isdigit", "islower", "isnumeric", "isspace", "istitle"),
    *("isupper", "items", "keys", "lower", "lstrip", "removeprefix", "removesuffix"),
    *("replace", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip"),
    *("swapcase", "title", "upper", "values"),
)
"""Methods a template may call; `format` and what pads can make text of any length."""

_STATEMENTS = (nodes.Output, nodes.If, nodes.For, nodes.Assign)
_PRINTED = (str, int, float)
_VALUES = (*_PRINTED, list, tuple, dict, type(None))


class Cage(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with a meter."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            optimized=False,
            finalize=self._printed,
        )
        self._left = MOST_WORK
        self._turn = 1
        self._source = ""
        self._drawn = 0
        for name in ("cycler", "joiner", "namespace", "lipsum"):
            self.globals.pop(name, None)
        self.filters = {name: self._metered(self.filters[name]) for name in FILTERS}
        self.filters["each turn"] = self._turns
        self.filters["a literal"] = self._metered(lambda value: value)
        for name, draw in DRAWS.items():
            self.filters[f"draw {name}"] = self._drawing(name, draw)

    def read(self, text: str) -> tuple[nodes.Template, bool]:
        """Parse a text, and say whether it draws lots; raises `TemplateSyntaxError`."""
        draws = _Draws(self)
        return draws.visit(self.parse(text)), draws.found

    def compiled(self, text: str, tree: nodes.Template) -> Render:
        """Compile a parsed text; a single `{{ … }}` gives its value, not its text.

        Raises:
            TemplateSyntaxError: It uses a statement that has no use here.
        """
        for statement in tree.find_all(nodes.Stmt):
            if not isinstance(statement, _STATEMENTS):
                name = type(statement).__name__.lower()
                message = f"{name!r} cannot be used here; if, for and set can"
                raise TemplateSyntaxError(message, statement.lineno)
        _Meters(self).visit(tree)
        value = _single(tree)
        render = self._text(tree) if value is None else self._value(value)
        turn = len(text)

        def metered(variables: Mapping[str, object]) -> object:
            self._left, self._turn = MOST_WORK, turn
            self._source, self._drawn = text, 0
            return render(variables)

        return metered

    def _text(self, tree: nodes.Template) -> Render:
        return self.from_string(tree).render

    def _value(self, expression: nodes.Expr) -> Render:
        """Compile as `compile_expression` does, from a tree that has its meters."""
        target = nodes.Name("result", "store", lineno=1)
        program = nodes.Template([nodes.Assign(target, expression, lineno=1)], lineno=1)
        program.set_environment(self)
        template = self.from_string(program)

        def render(variables: Mapping[str, object]) -> object:
            context = template.new_context(dict(variables))
            try:
                deque(template.root_render_func(context), maxlen=0)
            except Exception:  # noqa: BLE001 - raised again, with the template's line
                self.handle_exception()
            return _checked(context.vars["result"])

        return render

    def spend(self, work: float) -> None:
        """Take from what this rendering may do.

        Raises:
            TemplateRuntimeError: Nothing is left.
        """
        self._left -= min(int(work), MOST_WORK + 1)
        if self._left < 0:
            raise TemplateRuntimeError("makes too much text, or turns too many loops")

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Leave methods out that are not known to be harmless."""
        allowed = not callable(value) or attr in METHODS
        return allowed and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: object) -> None:
        """Give no `str.format`: its widths can make text of any length."""

    def call(
        self, context: Context, function: object, /, *args: object, **kwargs: object
    ) -> object:
        """Call a method or a global, metered."""
        owner = getattr(function, "__self__", None)
        self.spend(product((owner, *args, *kwargs.values())))
        return super().call(context, function, *args, **kwargs)

    def call_binop(
        self, context: Context, operator: str, left: object, right: object
    ) -> object:
        """Apply an operator that can grow, metered."""
        self.spend(GROWTH[operator](left, right))
        return super().call_binop(context, operator, left, right)

    def _metered(self, function: Filter) -> Filter:
        @wraps(function)
        def metered(*args: object, **kwargs: object) -> object:
            values = [v for v in args if not isinstance(v, _CONTEXTS)]
            self.spend(product((*values, *kwargs.values())))
            if function.__name__ == "do_format":
                check_width(values[0])
            return function(*args, **kwargs)

        return metered  # type: ignore[return-value]  # wraps keeps the signature

    def _drawing(self, name: str, draw: Callable[..., object]) -> Callable[..., object]:
        bind = signature(draw).bind

        @pass_context
        def drawing(context: Context, _: object, *args: object, **kw: object) -> object:
            lot = context.get(LOT)
            if not isinstance(lot, Lot):
                raise TemplateRuntimeError("lots cannot be drawn here")
            self.spend(product((*args, *kw.values())))
            self._drawn += 1
            try:
                number = lot.number(self._source, self._drawn)
                given = bind(lot.lots, number, *args, **kw)
                return draw(*given.args, **given.kwargs)
            except LotError as error:
                raise TemplateRuntimeError(str(error)) from error
            except TypeError as error:
                raise TemplateRuntimeError(f"{name}: {error}") from error

        return drawing

    def _turns(self, values: Iterator[object]) -> Iterator[object]:
        for value in values:
            self.spend(self._turn)
            yield value

    def _printed(self, value: object) -> object:
        value = _defined(value)
        if value is None:
            return ""
        if not isinstance(value, _PRINTED):
            raise TemplateRuntimeError(
                f"cannot print a {type(value).__name__}; choose a value, or join a list"
            )
        self.spend(weight(value))
        return value


class _Draws(NodeTransformer):
    """Makes filters of the calls that draw, so that variables may have their names."""

    def __init__(self, environment: Environment) -> None:
        self.found = False
        self._environment = environment

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - Jinja2's name
        self.generic_visit(node)
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        if name not in DRAWS:
            return node
        self.found = True
        rest = (node.args, node.kwargs, node.dyn_args, node.dyn_kwargs)
        nothing = nodes.Const(None)
        made = nodes.Filter(nothing, f"draw {name}", *rest, lineno=node.lineno)
        made.set_environment(self._environment)
        return made


class _Meters(NodeTransformer):
    """Puts a meter on loops, on `~` and on lists, which have no hook of their own."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja2's name
        self.generic_visit(node)
        if node.recursive:
            raise TemplateSyntaxError("a loop cannot be recursive here", node.lineno)
        node.iter = self._filtered(node.iter, "each turn")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return self._filtered(parts, "join")

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return self._filtered(self.generic_visit(node), "a literal")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return self._filtered(self.generic_visit(node), "a literal")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self._filtered(node, "a literal") if node.ctx == "load" else node

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        made.set_environment(self._environment)
        return made


_CONTEXTS = (Context, EvalContext, Cage)


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """Give the expression of a text that is one `{{ … }}` and nothing else."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        parts = tree.body[0].nodes
        if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData):
            return parts[0]
    return None


def _defined(value: object) -> object:
    """Let an undefined value raise its error; an `if` without `else` gives none."""
    if isinstance(value, Undefined):
        str(value)
        return None
    return value


def _checked(value: object) -> object:
    """Refuse what no request can hold."""
    value = _defined(value)
    if not isinstance(value, _VALUES):
        raise TemplateRuntimeError(
            f"gives a {type(value).__name__}, not a value; end with |list for a list"
        )
    return value
