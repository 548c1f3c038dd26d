"""A module's text with its syntax tree, and the replacements for pieces of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_OPENING = re.compile(r"(?:[fF][rR]?|[rR][fF])(\"\"\"|'''|\"|')")
_Placed = ast.expr | ast.stmt | ast.arg | ast.keyword | ast.alias


class Span(NamedTuple):
    """Where a piece of text begins and ends, in bytes."""

    start: int
    end: int


@dataclass(frozen=True)
class Left:
    """Something that stays as it is, and why."""

    line: int
    why: str


class CannotRewrite(Exception):
    """No rewriting is certain to mean the same."""


class Source:
    """A module: its text, its tree, the parent of each node, and the replacements so far.

    A replacement includes the earlier ones inside it, since it was made from their text. So nodes are rewritten from
    the inside out.
    """

    def __init__(self, text: str) -> None:
        self.tree: ast.Module = ast.parse(text)
        self.left: list[Left] = []
        self.rewritten = 0
        self._bytes = text.encode()
        self._lines = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._replacements: dict[Span, str] = {}
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self._formatted = [self.span(node) for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr)]

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (above := self._parents.get(node)) is not None:
            yield above
            node = above

    def function(self, node: ast.AST) -> ast.AST:
        """The innermost function around a node, or the module."""
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        return next((above for above in self.ancestors(node) if isinstance(above, functions)), self.tree)

    def span(self, node: _Placed) -> Span:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return Span(
            self._lines[node.lineno - 1] + node.col_offset, self._lines[node.end_lineno - 1] + node.end_col_offset
        )

    @property
    def newline(self) -> str:
        return "\r\n" if b"\r\n" in self._bytes else "\n"

    def margin(self, node: _Placed) -> str:
        """What is before a statement on its line."""
        return self.original(Span(self._lines[node.lineno - 1], self.span(node).start))

    def between(self, node: _Placed, other: _Placed) -> Span:
        """What is after one node and before another."""
        return Span(self.span(node).end, self.span(other).start)

    def text_between(self, first: _Placed, last: _Placed) -> str:
        """The text from one node to the end of another, with the replacements so far."""
        return self._text(Span(self.span(first).start, self.span(last).end))

    def name_span(self, node: ast.Attribute) -> Span:
        """The name after the dot."""
        end = self.span(node).end
        return Span(end - len(node.attr.encode()), end)

    def fixture_name_span(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Span:
        """The place of a fixture's name: in its decorator, or else the function's name."""
        for decorator in function.decorator_list:
            for keyword in decorator.keywords if isinstance(decorator, ast.Call) else []:
                if keyword.arg == "name":
                    inner = self.span(keyword.value)
                    return Span(inner.start + 1, inner.end - 1)
        start = self.span(function).start
        start += self._bytes[start:].index(b"def ") + len(b"def ")
        start += len(self._bytes[start:]) - len(self._bytes[start:].lstrip())
        return Span(start, start + len(function.name.encode()))

    def arguments_span(self, call: ast.Call) -> Span:
        """The arguments of a call, with their parentheses."""
        return Span(self.span(call.func).end, self.span(call).end)

    def original(self, span: Span) -> str:
        return self._bytes[span.start : span.end].decode()

    def text(self, node: _Placed) -> str:
        """The text of a node, with the replacements so far."""
        return self._text(self.span(node))

    def replace(self, span: Span, text: str) -> None:
        if (quote := self._quote_around(span)) and quote not in self.original(span):
            text = text.replace(quote, "'" if quote == '"' else '"')
        inside = [other for other in self._replacements if span.start <= other.start and other.end <= span.end]
        for other in inside:
            del self._replacements[other]
        self._replacements[span] = text

    def _quote_around(self, span: Span) -> str:
        """The quote of the f-string around this piece, which Python before 3.12 does not allow inside it."""
        for outer in self._formatted:
            if outer.start < span.start and span.end < outer.end:
                quotes = _OPENING.findall(self.original(Span(outer.start, span.start)))
                return quotes[-1] if quotes and len(quotes[-1]) == 1 else ""
        return ""

    def inserted(self, position: int) -> str:
        """What is inserted at this place so far."""
        return self._replacements.get(Span(position, position), "")

    def insert(self, position: int, text: str) -> None:
        span = Span(position, position)
        self._replacements[span] = self._replacements.get(span, "") + text

    def remove_lines(self, node: ast.stmt) -> None:
        """Remove the lines of a statement, and a blank line before it if it ends its block."""
        assert node.end_lineno is not None
        start, end = self._lines[node.lineno - 1], self._lines[node.end_lineno]
        while self._is_blank(start, before=True) and self._block_ends(end, node.col_offset):
            start = self._line_before(start)
        self.replace(Span(start, end), "")

    def result(self) -> str:
        return self._text(Span(0, len(self._bytes)))

    def leave(self, node: _Placed, why: str) -> None:
        self.left.append(Left(node.lineno, why))

    def is_alone_on_its_lines(self, node: ast.stmt) -> bool:
        assert node.end_lineno is not None
        before = self._bytes[self._lines[node.lineno - 1] : self.span(node).start]
        after = self._bytes[self.span(node).end : self._lines[node.end_lineno]]
        return not before.strip() and not after.strip()

    def _text(self, span: Span) -> str:
        pieces = []
        position = span.start
        for found, text in sorted(self._replacements.items()):
            if span.start <= found.start and found.end <= span.end:
                pieces += [self._bytes[position : found.start].decode(), text]
                position = found.end
        return "".join([*pieces, self._bytes[position : span.end].decode()])

    def _line_before(self, position: int) -> int:
        return self._bytes.rfind(b"\n", 0, position - 1) + 1

    def _is_blank(self, position: int, *, before: bool) -> bool:
        return before and position > 0 and not self._bytes[self._line_before(position) : position].strip()

    def _block_ends(self, position: int, column: int) -> bool:
        line = self._bytes[position:].split(b"\n", 1)[0]
        return len(line) - len(line.lstrip()) < column
