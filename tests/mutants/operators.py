"""What is changed in a file to see whether a test notices: one place, one operator at a time."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A file with one change."""

    line: int
    source: str  # the whole file
    before: str  # the lines that differ
    after: str


class _Places(ast.NodeVisitor):
    """Collects what to replace: (first byte, byte after the last, text instead)."""

    def __init__(self, source: bytes) -> None:
        self.source, self.found = source, list[tuple[int, int, bytes]]()
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self._starts = starts

    def begin(self, node: ast.expr) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _swap(self, operator: ast.AST, after: int, before: int, suffix: bytes = b"") -> None:
        """The operator's text lies between two operands, perhaps with brackets and line breaks around it."""
        if type(operator) not in _SWAPS:
            return
        old, new = (text.encode() + suffix for text in _SWAPS[type(operator)])
        at = self.source.find(old, after, before)
        if at >= 0:
            self.found.append((at, at + len(old), new))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._swap(node.op, self.end(node.left), self.begin(node.right))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._swap(node.op, self.end(node.target), self.begin(node.value), b"=")
        self.visit(node.value)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._swap(node.op, self.end(left), self.begin(right))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, operands, node.comparators, strict=False):
            self._swap(operator, self.end(left), self.begin(right))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        sign = {ast.Not: b"not ", ast.USub: b"-"}.get(type(node.op), b"")
        if sign and self.source.startswith(sign, self.begin(node)):
            self.found.append((self.begin(node), self.begin(node) + len(sign), b""))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            new = str(not node.value)
        elif isinstance(node.value, int | float):
            new = repr(node.value + 1)
        else:
            return
        self.found.append((self.begin(node), self.end(node), new.encode()))

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _NAMES:
            end = self.end(node.func)
            self.found.append((end - len(name), end, _NAMES[name].encode()))
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.found.append((self.begin(node.value), self.end(node.value), b"None"))
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        # what numba compiles is held in a cache that a change elsewhere does not reach
        if not any("njit" in ast.unparse(decorator) for decorator in node.decorator_list):
            for part in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None), *node.body):
                self.visit(part)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.body:
            self.visit(part)

    def visit_Raise(self, node: ast.Raise) -> None:
        """An error's text is not arithmetic."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Nor is any other text."""


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of a file's text, in order of its place.

    Left alone are texts, annotations, what an error says, and functions that numba compiles.
    """
    raw = source.encode()
    places = _Places(raw)
    places.visit(ast.parse(source))
    for begin, end, new in sorted(set(places.found)):
        changed = (raw[:begin] + new + raw[end:]).decode()
        old_lines, new_lines = source.splitlines(), changed.splitlines()
        lines = [line for line in difflib.ndiff(old_lines, new_lines) if line[:2] in ("- ", "+ ")]
        yield Mutant(
            line=raw.count(b"\n", 0, begin) + 1,
            source=changed,
            before="\n".join(line[2:] for line in lines if line[0] == "-"),
            after="\n".join(line[2:] for line in lines if line[0] == "+"),
        )
