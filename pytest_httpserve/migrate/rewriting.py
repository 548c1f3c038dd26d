"""Rewrites a module of tests: expectations, answers, questions to the server, names."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass

from pytest_httpserve.migrate import answers, exchanges, fixtures, log, matching
from pytest_httpserve.migrate.arguments import bound, is_text, laid_out, only
from pytest_httpserve.migrate.checks import CHECKS, is_removed, remove_check
from pytest_httpserve.migrate.kinds import Kinds
from pytest_httpserve.migrate.names import EXPECTATIONS, Names
from pytest_httpserve.migrate.overrides import Overrides
from pytest_httpserve.migrate.questions import rewrite_question, rewrite_url
from pytest_httpserve.migrate.sequences import Expectation, Sequences
from pytest_httpserve.migrate.source import CannotRewrite, Left, Source
from pytest_httpserve.migrate.waits import Waits

_OTHER_NAMES = {"clear": "reset", "clear_assertions": "take_failures", "clear_handler_errors": "take_failures"}
_PRESENCE = {"stop": "refuse", "start": "resume"}  # of a fixture's server, which keeps its port
_LEFT = {
    **dict.fromkeys(
        ("assertions", "default_waiting_settings", "handler_errors", "permanently_failed", "server_thread"),
        "a server here has nothing like it",
    ),
    "wait": "say what is waited for: wait_for('GET', '/path', timeout=...)",
    "add_assertion": "raise AssertionError in the function: it fails the test",
    "clear_log": "only reset() empties the journal, and it removes the routes, too",
    "clear_all_handlers": "remove() of each route, or reset(), which forgets the exchanges, too",
    "bake": "write the arguments into each on()",
    "is_running": "a server runs from start() to stop()",
    "ssl_context": "a server over TLS is made by @pytest.mark.serve_tls, or with tls=True",
    "with_post_hook": "a function of the request that returns the whole answer: handle(function)",
    "respond_nohandler": "the answer to a request that no route matches cannot be changed",
    "no_handler_status_code": "a request that no route matches gets a 404",
    "handlers": "there is no list of routes",
    **dict.fromkeys(
        ("ordered_handlers", "oneshot_handlers"), "use expect() on a route to say how often it must be called"
    ),
    "format_matchers": "explain('GET', '/path') says what would answer, and why nothing else would",
}
_OF_MATCHERS = {"assert_request_made", "get_matching_requests_count", "iter_matching_requests"}


@dataclass(frozen=True)
class Rewritten:
    """A module's new text, the number of expectations in it, and the places that were left."""

    text: str
    expectations: int
    left: list[Left]


def rewrite(text: str) -> Rewritten:
    """Rewrite a module. Raises SyntaxError for one that is not Python."""
    source = Source(text)
    try:
        _Rewriting(source).run()
        ast.parse(new := source.result())
    except SyntaxError as error:
        return Rewritten(text, 0, [Left(1, f"nothing is rewritten: the new file would not be Python: {error.msg}")])
    return Rewritten(new, source.rewritten, sorted(source.left, key=lambda each: each.line))


class _Rewriting:
    """The rewriting of one module; works on each expression from the inside out."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kinds = Kinds(source.tree)
        self._names = Names(source.tree)
        self._failed: set[ast.AST] = set()  # calls that stay, together with the calls chained to them
        self._expectations: dict[ast.Call, tuple[Expectation, Sequences]] = {}
        self._exchanged = log.Exchanged(self._names)
        self._overrides = Overrides(source, self._names)
        self._criteria: dict[Expectation, list[str]] = {}
        self._waits = Waits(source, self._names, self._criteria)

    def run(self) -> None:
        if (other := self._names.of_localserver()) is not None:
            self._source.leave(other, f"httpserver.{other.attr}: this is the httpserver of pytest-localserver")
            return
        self._find_expectations()
        self._visit(self._source.tree)
        self._overrides.rewrite()
        fixtures.rewrite_imports(self._source, self._names)

    def _find_expectations(self) -> None:
        by_function: dict[ast.AST, list[Expectation]] = {}
        for node in ast.walk(self._source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                try:
                    expectation = self._expectation(node, node.func)
                except CannotRewrite as reason:
                    self._leave(node, str(reason))
                else:
                    if expectation is not None:
                        by_function.setdefault(self._source.function(node), []).append(expectation)
        for found in by_function.values():
            sequences = Sequences(self._source, found)
            self._expectations |= {each.call: (each, sequences) for each in found}

    def _expectation(self, call: ast.Call, function: ast.Attribute) -> Expectation | None:
        if function.attr == "expect" and call.args and self._names.is_server(function.value, renamed=True):
            match call.args[0]:
                case ast.Call(func=called) as matcher if self._names.original(called) == "match":
                    given = bound(matcher, matching.NAMES)
                    return Expectation(call, function.value, "permanent", given)
            raise CannotRewrite("its matcher is made elsewhere: on(matcher)")
        kind = EXPECTATIONS.get(function.attr)
        if kind is None:
            return None
        names = matching.NAMES_OF_EXPECT_REQUEST if kind == "permanent" else matching.NAMES
        given = bound(call, names)
        handler_type = given.pop("handler_type", None)
        if isinstance(handler_type, ast.Attribute):
            kind = handler_type.attr.lower()
        if "uri" not in given:
            raise CannotRewrite("it has no path")
        return Expectation(call, function.value, kind, given)

    def _leave(self, node: ast.expr | ast.stmt, why: str) -> None:
        self._failed.add(node)
        self._source.leave(node, f"{self._first_words(node)}: {why}")

    def _first_words(self, node: ast.expr | ast.stmt) -> str:
        if isinstance(node, ast.Call):
            node = node.func
        if isinstance(node, ast.Attribute):
            return node.attr
        return self._source.original(self._source.span(node)).partition("\n")[0]

    def _visit(self, node: ast.AST) -> None:
        self._exchanged.enter(node)
        for child in ast.iter_child_nodes(node):
            self._visit(child)
        try:
            self._rewrite(node)
        except CannotRewrite as reason:
            assert isinstance(node, ast.expr | ast.stmt)
            self._leave(node, str(reason))
        self._exchanged.leave(node)

    def _rewrite(self, node: ast.AST) -> None:
        match node:
            case ast.Call(func=ast.Attribute() as function):
                self._rewrite_method(node, function)
            case ast.Call() if self._names.original(node.func) is not None:
                self._rewrite_class(node)
            case ast.Attribute():
                self._rewrite_attribute(node)
            case ast.Compare() if (compared := exchanges.url_in_comparison(self._source, node)) is not None:
                url, made = compared
                if self._exchanged.is_request(url.value):
                    exchanges.rewrite_comparison(self._source, url, made)
            case ast.Name() | ast.arg() | ast.keyword() | ast.Constant():
                fixtures.rewrite_name(self._source, self._names, node)
                if isinstance(node, ast.arg):
                    self._overrides.rewrite_parameter(node)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr) as function)):
                if attr in CHECKS and self._names.is_server(function.value):
                    remove_check(self._source, node)
            case ast.With():
                known = [each for each, _ in self._expectations.values()]
                met = [each for each, sequences in self._expectations.values() if sequences.is_made_once(each)]
                if self._waits.rewrite(node, known, met):
                    self._source.left = [
                        left for left in self._source.left if left.line != node.lineno or left.why[:5] != "wait:"
                    ]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                fixtures.rewrite_fixture(self._source, node)
        if isinstance(node, ast.stmt) and fixtures.rewrite_ending(self._source, self._names, node):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            self._source.left = [left for left in self._source.left if left.line not in lines]

    # -- calls of methods

    def _rewrite_method(self, call: ast.Call, function: ast.Attribute) -> None:
        if call in self._failed or function.value in self._failed:
            self._failed.add(call)
        elif call in self._expectations:
            self._rewrite_expectation(call, function, *self._expectations[call])
        elif function.attr in ("respond_with_json", "respond_with_data", "respond_with_response"):
            self._rewrite_answer(call, function)
        elif function.attr == "respond_with_handler":
            self._rewrite_handler(call, function)
        elif function.attr == "create_matcher" and self._names.is_server(function.value):
            given = bound(call, matching.NAMES)
            found = matching.criteria(self._source, self._kinds, given)
            self._source.replace(self._source.span(call), f"{self._names.use('match')}({', '.join(found)})")
        elif function.attr in _OF_MATCHERS and self._names.is_method_of_server(function):
            rewrite_question(self._source, self._kinds, self._names, call, function)
        elif function.attr == "url_for" and self._names.is_server(function.value):
            rewrite_url(self._source, call)
        elif self._names.original(function) is not None:
            self._rewrite_class(call)

    def _rewrite_expectation(
        self, call: ast.Call, function: ast.Attribute, expectation: Expectation, sequences: Sequences
    ) -> None:
        source = self._source
        found = matching.criteria(source, self._kinds, expectation.given)
        self._criteria[expectation] = [*found]
        if priority := sequences.priorities.get(expectation):
            found.append(f"priority={priority}")
        source.rewritten += 1
        server = source.text(function.value)
        when = ""
        if (state := sequences.states.get(expectation)) is not None:
            server += f".scenario({json.dumps(state.scenario)})"
            source.replace(source.span(function.value), server)
            when = f".when({json.dumps(state.name)})"
        elif (most := sequences.once.get(expectation)) is not None and not sequences.is_statement(expectation):
            when = f".expect(max={most})"
        if (statement := sequences.before.get(expectation)) is not None:
            start = source.span(statement).start
            source.insert(
                start,
                f"{sequences.routes[expectation]} = {server}.on({', '.join(found)})\n{' ' * statement.col_offset}",
            )
        if (name := sequences.routes.get(expectation)) is not None:
            source.replace(source.span(call), name)
            return
        source.replace(source.name_span(function), "on")
        source.replace(source.arguments_span(call), laid_out(source, call, found) + when)
        if (name := sequences.makers.get(expectation)) is not None:
            statement = next(above for above in source.ancestors(call) if isinstance(above, ast.Expr))
            source.insert(source.span(statement).start, f"{name} = ")

    def _once(self, call: ast.Call) -> None:
        """Limit how often a route may be called, at the end of its statement's chain."""
        node: ast.expr = call
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node in self._expectations:
                expectation, sequences = self._expectations[node]
                if (state := sequences.next_states.get(expectation)) is not None:
                    self._source.insert(self._source.span(call).end, f".then({json.dumps(state)})")
                most = sequences.once.get(expectation)
                if most is not None and sequences.is_statement(expectation):
                    self._source.insert(self._source.span(call).end, f".expect(max={most})")
                return
            node = node.func.value

    def _rewrite_answer(self, call: ast.Call, function: ast.Attribute) -> None:
        source = self._source
        if function.attr == "respond_with_response":
            response = only(call, "response")
            source.replace(source.name_span(function), "respond")
            if isinstance(response, ast.Call) and self._names.original(response.func) == "Response":
                if response in self._failed:
                    raise CannotRewrite("the Response is not rewritten")
                given = bound(response, answers.RESPONSE)
                self._respond(call, function, given, response)
            self._once(call)
            return
        names = answers.JSON if function.attr == "respond_with_json" else answers.DATA
        self._respond(call, function, bound(call, names), call)
        self._once(call)

    def _respond(self, call: ast.Call, function: ast.Attribute, given: dict[str, ast.expr], layout: ast.Call) -> None:
        source = self._source
        delay = self._delay(function.value)
        try:
            found = answers.answer(source, self._kinds, given)
        except answers.UnknownKind:
            if delay is not None:
                raise CannotRewrite("it has a Delay, and it is unknown whether its body is text or bytes") from None
            source.replace(source.name_span(function), "handle")
            result = answers.result(source, given)
            if any(isinstance(above, ast.For | ast.While) for above in source.ancestors(call)):
                source.replace(source.arguments_span(call), f"(lambda _, answer={result}: answer)")
            else:
                source.replace(source.arguments_span(call), f"(lambda _: {result})")
        else:
            source.replace(source.name_span(function), "respond")
            if delay is not None:
                hooked, seconds = delay
                found.append(f"delay={source.text(seconds)}")
                source.replace(source.span(function.value), source.text(hooked))
            source.replace(source.arguments_span(call), laid_out(source, layout, found))

    def _delay(self, hooked: ast.expr) -> tuple[ast.expr, ast.expr] | None:
        """What a Delay is a hook of, and its seconds."""
        match hooked:
            case ast.Call(func=ast.Attribute(value=inner, attr="with_post_hook"), args=[hook], keywords=[]):
                seconds = self._names.delay_of(hook)
                is_alone = not (isinstance(inner, ast.Call) and getattr(inner.func, "attr", "") == "with_post_hook")
                return (inner, seconds) if seconds is not None and is_alone else None
        return None

    def _delays_an_answer(self, node: ast.Attribute) -> bool:
        """Whether a hook is a Delay, and an answer follows that can be delayed."""
        call = self._source.parent(node)
        answer = self._source.parent(call) if isinstance(call, ast.Call) and self._delay(call) is not None else None
        match answer, self._source.parent(answer) if answer is not None else None:
            case ast.Attribute(attr="respond_with_json" | "respond_with_data"), ast.Call():
                return True
            case ast.Attribute(attr="respond_with_response"), ast.Call(args=[ast.Call(func=made)]):
                return self._names.original(made) == "Response"
        return False

    def _rewrite_handler(self, call: ast.Call, function: ast.Attribute) -> None:
        handler = only(call, "func")
        self._source.replace(self._source.name_span(function), "handle")
        self._once(call)
        if not self._names.knows(handler):
            text = self._source.text(handler)
            self._source.leave(
                handler, f"{text} is defined elsewhere: it gets our Request, and returns our Response or a body"
            )

    # -- calls of classes

    def _rewrite_class(self, call: ast.Call) -> None:
        source = self._source
        name = self._names.original(call.func)
        if name == "match":
            given = bound(call, matching.NAMES)
            source.replace(source.arguments_span(call), f"({', '.join(matching.criteria(source, self._kinds, given))})")
        elif name == "Response":
            self._rewrite_response(call)
        elif name == "HTTPServe":
            self._rewrite_server(call)

    def _rewrite_response(self, call: ast.Call) -> None:
        source = self._source
        above = source.parent(call)
        if isinstance(above, ast.Call) and getattr(above.func, "attr", "") == "respond_with_response":
            return  # its arguments become arguments of respond
        if self._is_changed(call):
            raise CannotRewrite("it is changed after it is made: give ours everything when you make it")
        given = bound(call, answers.RESPONSE)
        try:
            found = answers.answer(source, self._kinds, given)
        except answers.UnknownKind:
            returned = isinstance(above, ast.Return | ast.Lambda) and self._is_answering(call)
            if not returned:
                raise
            source.replace(source.span(call), answers.result(source, given))
        else:
            source.replace(source.arguments_span(call), laid_out(source, call, found))

    def _is_changed(self, call: ast.Call) -> bool:
        """Whether a method of the new Response is called, or an attribute of its variable is used."""
        match self._source.parent(call):
            case ast.Attribute():
                return True
            case ast.Assign(targets=[ast.Name(id=name)]):
                return any(
                    isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
                    for node in ast.walk(self._source.function(call))
                )
        return False

    def _is_answering(self, node: ast.AST) -> bool:
        return any(above in self._names.answering for above in self._source.ancestors(node))

    def _rewrite_server(self, call: ast.Call) -> None:
        given = bound(call, ["host", "port", "ssl_context", "default_waiting_settings", "threaded", "startup_timeout"])
        tls = self._overrides.tls(given.pop("ssl_context")) if "ssl_context" in given else ""
        if is_text(given.get("host"), "localhost"):
            del given["host"]
        found = [f"{name}={self._source.text(given[name])}" for name in ("host", "port") if name in given]
        found += [tls] if tls else []
        self._source.replace(self._source.arguments_span(call), f"({', '.join(found)})")

    # -- the rest

    def _rewrite_attribute(self, node: ast.Attribute) -> None:
        if self._overrides.rewrite_default(node):
            return
        if self._names.original(node) is not None:
            fixtures.rewrite_class(self._source, self._names, node)
        elif self._exchanged.is_request(node.value):
            exchanges.rewrite_request(self._source, node)
        elif self._exchanged.is_response(node.value):
            exchanges.rewrite_response(self._source, node)
        elif self._names.is_server(node.value):
            if node.attr == "log":
                log.rewrite_log(self._source, node)
            elif node.attr in _OTHER_NAMES:
                self._source.replace(self._source.name_span(node), _OTHER_NAMES[node.attr])
            elif node.attr in CHECKS and not is_removed(self._source, node):
                self._source.leave(node, f"{node.attr}: take_failures() returns what went wrong so far")
            elif node.attr in _LEFT:
                self._source.leave(node, f"{node.attr}: {_LEFT[node.attr]}")
            elif node.attr in _PRESENCE and fixtures.is_asked_for(self._source, node):
                self._source.replace(self._source.name_span(node), _PRESENCE[node.attr])
        elif node.attr == "with_post_hook" and not self._delays_an_answer(node):
            self._source.leave(node, f"{node.attr}: {_LEFT[node.attr]}")
