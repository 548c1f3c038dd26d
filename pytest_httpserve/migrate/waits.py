"""Rewrites ``with httpserver.wait():``, which waits after its block until all requests have come that are expected to
come once: here each of them is waited for by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from pytest_httpserve.migrate.arguments import bound
from pytest_httpserve.migrate.names import Names
from pytest_httpserve.migrate.sequences import Expectation
from pytest_httpserve.migrate.source import Source

_NAMES = ["raise_assertions", "stop_on_nohandler", "timeout"]


class Waits:
    """The waits of a module; ``criteria`` has what each rewritten expectation matches, as arguments of ``on``."""

    def __init__(self, source: Source, names: Names, criteria: Mapping[Expectation, Sequence[str]]) -> None:
        self._source = source
        self._names = names
        self._criteria = criteria
        self._done: set[ast.AST] = set()  # the functions that have waited

    def rewrite(self, node: ast.With, expectations: Sequence[Expectation], met: Sequence[Expectation]) -> bool:
        """Rewrite a wait if it is certain what it waits for. Returns whether it was.

        ``expectations`` are all of the module, and ``met`` those that every run of their function makes once.
        """
        match node.items:
            case [
                ast.withitem(
                    context_expr=ast.Call(func=ast.Attribute(value=server, attr="wait")) as call,
                    optional_vars=(None | ast.Name()) as name,
                )
            ] if self._names.is_server(server):
                pass
            case _:
                return False
        given = bound(call, _NAMES)
        asserts = self._asserts(node, name) if isinstance(name, ast.Name) else []
        raises = given.get("raise_assertions", ast.Constant(True))
        awaited = self._awaited(node, server, expectations, met)
        if asserts is None or not awaited or self._has_defaults() or self._may_fail(node):
            return False
        if not isinstance(raises, ast.Constant) or not (raises.value is True or (raises.value is False and asserts)):
            return False
        body = self._body(node)
        if body is None:
            return False
        timeout = f", timeout={self._source.text(given['timeout'])}" if "timeout" in given else ""
        waits = self._waits(self._source.text(server), awaited, timeout)
        place, newline, margin = self._source.span(node), self._source.newline, self._source.margin(node)
        before = self._source.inserted(place.start)
        self._source.replace(place, before + f"{newline}{margin}".join([body, *waits]))
        for statement in asserts:
            self._source.remove_lines(statement)
        return True

    def _has_defaults(self) -> bool:
        """Whether the module changes how long its servers wait."""
        return any(
            getattr(node, "id", None) == "WaitingSettings" or getattr(node, "attr", None) == "WaitingSettings"
            for node in ast.walk(self._source.tree)
        )

    def _may_fail(self, node: ast.With) -> bool:
        """Whether the test expects the wait to fail: it may do so for another reason."""
        return any(
            isinstance(above, ast.With) and any("raises" in ast.dump(item.context_expr) for item in above.items)
            for above in self._source.ancestors(node)
        )

    def _awaited(
        self, node: ast.With, server: ast.expr, expectations: Sequence[Expectation], met: Sequence[Expectation]
    ) -> list[Expectation]:
        """What it waits for; nothing if that is uncertain."""
        function = self._source.function(node)
        if not getattr(function, "name", "").startswith("test"):
            return []
        once = [each for each in expectations if each.kind != "permanent"]
        awaited = [
            each
            for each in once
            if self._source.function(each.call) is function
            and ast.dump(each.server) == ast.dump(server)
            and self._source.span(each.call).start < self._source.span(node).end
        ]
        others = [each for each in once if not getattr(self._source.function(each.call), "name", "").startswith("test")]
        if function in self._done or not all(self._comes_first(each, function) for each in awaited):
            return []
        self._done.add(function)
        known = all(each in met and each in self._criteria and self._is_constant(each, function) for each in awaited)
        return awaited if known and not others else []

    def _comes_first(self, expectation: Expectation, function: ast.AST) -> bool:
        """Whether the function makes no requests before, which would be taken for the awaited ones."""
        blocks = [
            above.body
            for above in self._source.ancestors(expectation.call)
            if isinstance(above, ast.With | ast.AsyncWith | ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        place = self._source.span(expectation.call).start
        before = [each for block in blocks for each in block if self._source.span(each).end <= place]
        return all(
            isinstance(each, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef)
            or (isinstance(each, ast.Expr) and (isinstance(each.value, ast.Constant) or self._tells(each.value)))
            for each in before
        )

    def _tells(self, node: ast.expr) -> bool:
        """Whether an expression tells a server what to answer."""
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if self._names.is_server(node.func.value):
                return node.func.attr.startswith("expect")
            node = node.func.value
        return False

    @staticmethod
    def _is_constant(expectation: Expectation, function: ast.AST) -> bool:
        """Whether the names in the arguments keep their values after the expectation is made."""
        used = {
            node.id for value in expectation.given.values() for node in ast.walk(value) if isinstance(node, ast.Name)
        }
        return not any(
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and node.id in used
            and node.lineno > expectation.call.lineno
            for node in ast.walk(function)
        )

    def _waits(self, server: str, awaited: Sequence[Expectation], timeout: str) -> Iterator[str]:
        by_key: dict[tuple[str, ...], list[Expectation]] = {}
        for each in awaited:
            by_key.setdefault(each.key, []).append(each)
        for same in by_key.values():
            often = f", times={len(same)}" if len(same) > 1 else ""
            yield f"{server}.wait_for({', '.join(self._criteria[same[0]])}{often}{timeout})"

    def _asserts(self, node: ast.With, name: ast.Name) -> list[ast.Assert] | None:
        """The statements ``assert waiting.result`` after the wait; None if its result is used in another way."""
        found: list[ast.Assert] = []
        uses = [
            use
            for use in ast.walk(self._source.function(node))
            if isinstance(use, ast.Name) and use.id == name.id and use is not name
        ]
        ends = [use.lineno for use in uses if isinstance(use.ctx, ast.Store) and use.lineno > node.lineno]
        for use in uses:
            if use.lineno < node.lineno or use.lineno >= min(ends, default=use.lineno + 1):
                continue
            result = self._source.parent(use)
            statement = self._source.parent(result) if result is not None else None
            match result, statement:
                case ast.Attribute(attr="result"), ast.Assert(test=test, msg=None) if test is result:
                    if self._source.span(statement).start < self._source.span(node).end or self._is_only(statement):
                        return None
                    found.append(statement)
                case _:
                    return None
        return found

    def _is_only(self, statement: ast.stmt) -> bool:
        above = self._source.parent(statement)
        alone = [getattr(above, block, None) for block in ("body", "orelse", "finalbody")]
        return [statement] in alone or not self._source.is_alone_on_its_lines(statement)

    def _body(self, node: ast.With) -> str | None:
        """The statements of the block, moved to where the wait is; None if that could change more than their place."""
        source = self._source
        first, last = node.body[0], node.body[-1]
        if first.lineno == node.lineno or not source.is_alone_on_its_lines(node):
            return None
        inner, outer = source.margin(first), source.margin(node)
        header, _, above = source.original(source.between(node.items[-1].context_expr, first)).partition(source.newline)
        multiline = [
            literal
            for literal in ast.walk(node)
            if isinstance(literal, ast.Constant | ast.JoinedStr)
            and literal.lineno != literal.end_lineno
            and any(mark in source.original(source.span(literal)) for mark in ('"""', "'''", "\\\n", "\\\r\n"))
        ]
        lines = f"{above}{source.text_between(first, last)}".split(source.newline)
        if not header.endswith(":") or multiline or any(line.strip() and not line.startswith(inner) for line in lines):
            return None
        moved = (f"{outer}{line[len(inner) :]}" if line.strip() else "" for line in lines)
        return source.newline.join(moved).removeprefix(outer)
