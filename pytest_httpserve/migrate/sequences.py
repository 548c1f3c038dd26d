"""Finds the expectations in a function that match the same requests, and turns them into routes.

In pytest-httpserver each expectation has one answer. If several match a request, the ordered ones answer first, then
those for one request, then the others, and among these the first. Here one route has a sequence of answers, and of
several routes the latest answers, unless another has a higher priority. If a route must give way to another after its
last answer, or routes must be called in order, they belong to a scenario.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_httpserve.migrate.source import Source

_RANKS = {"ordered": 0, "oneshot": 1, "permanent": 2}


@dataclass(frozen=True, eq=False)
class Expectation:
    """A call that makes an expectation, with its arguments by name."""

    call: ast.Call
    server: ast.expr
    kind: str
    given: dict[str, ast.expr]

    @property
    def key(self) -> tuple[str, ...]:
        return ast.dump(self.server), *(f"{name}={ast.dump(self.given[name])}" for name in sorted(self.given))

    def overlaps(self, other: Expectation) -> bool:
        """Whether a request may match both, as far as the code shows; different literals are different values."""
        if ast.dump(self.server) != ast.dump(other.server) or not _may_be_the_same_path(self, other):
            return False
        common = (self.given.keys() & other.given.keys()) - {"uri"}
        return all(ast.dump(self.given[name]) == ast.dump(other.given[name]) for name in common)


@dataclass(frozen=True)
class State:
    """One of a scenario's."""

    scenario: str
    name: str


def _may_be_the_same_path(one: Expectation, other: Expectation) -> bool:
    first, second = one.given["uri"], other.given["uri"]
    if ast.dump(first) == ast.dump(second):
        return True
    patterns = [pattern for node in (first, second) if (pattern := _pattern(node)) is not None]
    texts = [node.value for node in (first, second) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    if "" in texts:
        return True
    return any(re.match(pattern, text) for pattern in patterns for text in texts) or len(patterns) == 2


def _pattern(node: ast.expr) -> str | None:
    match node:
        case ast.Call(func=ast.Attribute(attr="compile"), args=[ast.Constant(value=str(pattern)), *_]):
            return pattern
    return None


class Sequences:
    """Decides how the expectations of one function become routes."""

    def __init__(self, source: Source, expectations: list[Expectation]) -> None:
        self._source = source
        self._all = sorted(expectations, key=lambda each: (each.call.lineno, each.call.col_offset))
        self._function = source.function(expectations[0].call)
        self.routes: dict[Expectation, str] = {}  # the name of the route that an expectation adds an answer to
        self.makers: dict[Expectation, str] = {}  # the name of the route that an expectation makes for others
        self.before: dict[Expectation, ast.stmt] = {}  # the statement before which the route is made
        self.once: dict[Expectation, int] = {}  # how often a route may be called
        self.priorities: dict[Expectation, int] = {}
        self.states: dict[Expectation, State] = {}  # the state in which a route answers
        self.next_states: dict[Expectation, str] = {}  # the state after an answer
        self._last: dict[Expectation, Expectation] = {}  # that adds an answer to the route another makes
        for ordered in self._ordered():
            self._put_in_order(ordered)
        for group in self._groups():
            self._join(group)
        self._prioritise()

    def is_made_once(self, expectation: Expectation) -> bool:
        """Whether every run of the function makes the expectation exactly once, and no server sees two runs."""
        return self._is_run_once() and self._is_met(expectation)

    def is_statement(self, expectation: Expectation) -> bool:
        """Whether the expectation and its answer are one statement, and nothing has a name."""
        return self._statement(expectation) is not None

    def _ordered(self) -> Iterator[list[Expectation]]:
        """For each server, the expectations whose order matters: among equal ones, any may be next."""
        by_server: dict[str, list[Expectation]] = {}
        for expectation in self._all:
            if expectation.kind == "ordered":
                by_server.setdefault(ast.dump(expectation.server), []).append(expectation)
        for group in by_server.values():
            loop = self._loop(group[0])
            if len({one.key for one in group}) > 1 or (loop is not None and self._is_made_in(group[0], loop)):
                yield group

    def _put_in_order(self, ordered: list[Expectation]) -> None:
        if not self._is_run_once() or not all(self._is_met(each) for each in ordered):
            self._source.leave(
                ordered[0].call, "the order of these requests is no longer checked: use assert_requested_in_order()"
            )
            return
        names = ["new", *map(str, range(2, len(ordered) + 1)), "over"]
        for expectation, name, following in zip(ordered, names[:-1], names[1:], strict=True):
            self.states[expectation] = State(self._function_name(), name)
            self.next_states[expectation] = following

    def _is_met(self, expectation: Expectation) -> bool:
        """Whether every run of the function makes the expectation exactly once, together with its answer."""
        statement = self._statement(expectation)
        if statement is None or (isinstance(statement.value, ast.Call) and statement.value is expectation.call):
            return False
        for above in self._source.ancestors(statement):
            if above is self._function:
                return True
            if not isinstance(above, ast.With | ast.AsyncWith):
                return False
        return False

    def _is_run_once(self) -> bool:
        """Whether no server sees the function run twice: it is a test or a fixture, and not a Hypothesis test."""
        if not isinstance(self._function, ast.FunctionDef | ast.AsyncFunctionDef):
            return False
        decorators = [ast.dump(each) for each in self._function.decorator_list]
        if any("'given'" in each for each in decorators):
            return False
        return self._function.name.startswith("test") or any("'fixture'" in each for each in decorators)

    def _function_name(self) -> str:
        return getattr(self._function, "name", "")

    def _groups(self) -> Iterator[list[Expectation]]:
        by_key: dict[tuple[str, ...], list[Expectation]] = {}
        for expectation in self._all:
            if expectation not in self.states:
                by_key.setdefault(expectation.key, []).append(expectation)
        yield from by_key.values()

    def _join(self, group: list[Expectation]) -> None:
        first, *others = group
        self._last[first] = group[-1]
        loop = self._loop(first)
        if not others and (loop is None or first.kind == "permanent" or self._is_made_in(first, loop)):
            if first.kind != "permanent":
                self.once[first] = 1
            elif loop is not None and not self._is_made_in(first, loop):
                self._source.leave(
                    first.call, "the same request in a loop: there the first one answers all of them, here the last one"
                )
            return
        ranks = [_RANKS[each.kind] for each in group]
        if {*ranks} == {_RANKS["permanent"]}:
            return  # the first answers all requests: it has the highest priority
        if ranks != sorted(ranks):
            self._leave(group, "ordered ones, those for one request and others follow each other in another order")
            return
        if ranks.count(_RANKS["permanent"]) > 1:
            self._leave(
                group, "the first of them that is not for one request answers all that follow, the others never do"
            )
            return
        if any(self._statement(each) is None for each in group):
            self._leave(group, "its result is used: here they are one route, with one answer after the other")
            return
        statement = self._outermost(group)
        if statement is None:
            self._leave(group, "they are in different blocks: here they are one route, with one answer after the other")
            return
        name = self._name(first)
        if self._statement(first) is statement:
            self.makers[first] = name
        else:
            if self._is_made_in(first, statement):
                self._leave(group, "they are one route, with one answer after the other, made before the loop")
                return
            self.before[first] = statement
            self.routes[first] = name
        self.routes.update(dict.fromkeys(others, name))
        if not any(self._loop(each) or each.kind == "permanent" for each in group):
            self.once[group[-1]] = len(group)

    def _leave(self, group: list[Expectation], why: str) -> None:
        for expectation in group[1:] or group:
            line = group[0].call.lineno
            self._source.leave(expectation.call, f"the same request as in line {line}: {why}")

    def _statement(self, expectation: Expectation) -> ast.Expr | None:
        """The statement, if it consists of the expectation and its answer alone."""
        node: ast.AST = expectation.call
        for above in self._source.ancestors(node):
            if isinstance(above, ast.Expr):
                return above
            if not isinstance(above, ast.Attribute | ast.Call) or node in getattr(above, "args", []):
                return None
            node = above
        return None

    def _loop(self, expectation: Expectation) -> ast.AST | None:
        for above in self._source.ancestors(expectation.call):
            if isinstance(above, ast.For | ast.While | ast.AsyncFor):
                return above
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                return None
        return None

    @staticmethod
    def _is_made_in(expectation: Expectation, statement: ast.AST) -> bool:
        """Whether the statement binds a name that the expectation's arguments use."""
        bound = {
            node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        nodes = [expectation.server, *expectation.given.values()]
        return any(isinstance(each, ast.Name) and each.id in bound for node in nodes for each in ast.walk(node))

    def _outermost(self, group: list[Expectation]) -> ast.stmt | None:
        """The first statement with an expectation of the group, in the block that contains the whole group."""
        for above in self._source.ancestors(group[0].call):
            for block in ("body", "orelse", "finalbody"):
                statements = getattr(above, block, None)
                if not isinstance(statements, list):
                    continue
                holding = [
                    next((each for each in statements if each in {*self._source.ancestors(one.call)}), None)
                    for one in group
                ]
                if None not in holding and not (isinstance(above, ast.For | ast.While)):
                    return holding[0]
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
                return None
        return None

    def _name(self, expectation: Expectation) -> str:
        taken: set[str | None] = {
            name
            for node in ast.walk(self._source.tree)
            for name in (getattr(node, "id", None), getattr(node, "arg", None), getattr(node, "name", None))
        } | {*self.routes.values(), *self.makers.values()}
        path = expectation.given["uri"]
        words = re.findall(r"[A-Za-z_]+", str(path.value)) if isinstance(path, ast.Constant) else []
        wanted: list[str] = [
            *(word.lower() for word in words[-1:]),
            "route",
            *(f"route_{number}" for number in range(2, 1000)),
        ]
        return next(name for name in wanted if name not in taken and not keyword.iskeyword(name) and len(name) > 1)

    def _prioritise(self) -> None:
        """Give a priority to those that answer first there and come first: here the later ones would answer."""
        alone = [each for each in self._all if each not in self.routes or each in self.before]
        preferred = sorted(alone, key=lambda each: _RANKS[each.kind])
        for place, expectation in reversed([*enumerate(preferred)]):
            for other in preferred[place + 1 :]:
                if not expectation.overlaps(other) or (expectation in self.states and other in self.states):
                    continue
                if expectation.key == other.key and other.kind != expectation.kind and expectation not in self.states:
                    continue
                later = self._all.index(other) > self._all.index(expectation)
                least = self.priorities.get(other, 0) + later
                self.priorities[expectation] = max(self.priorities.get(expectation, 0), least)
                if expectation.kind != "permanent":
                    self._give_way(expectation, other)
        self.priorities = {each: priority for each, priority in self.priorities.items() if priority}

    def _give_way(self, expectation: Expectation, other: Expectation) -> None:
        """After the last answer of its route, let the other one answer."""
        if expectation in self.states:
            return
        last = self._last[expectation]
        if not (last in self.once and self._is_run_once() and self._loop(last) is None and self.is_statement(last)):
            self._source.leave(
                expectation.call,
                f"after its call, line {other.call.lineno} answers the same request: here that is one route"
                " with one answer after the other",
            )
            return
        del self.once[last]
        path = expectation.given["uri"]
        name = f"{self._function_name()}: {str(path.value) if isinstance(path, ast.Constant) else 'the first'}"
        taken = [state.scenario for state in self.states.values()]
        number = next(count for count in range(1, 1000) if self._numbered(name, count) not in taken)
        self.states[expectation] = State(self._numbered(name, number), "new")
        self.next_states[last] = "over"

    @staticmethod
    def _numbered(name: str, number: int) -> str:
        return name if number == 1 else f"{name} ({number})"
