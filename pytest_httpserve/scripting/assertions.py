"""What a test asserts of the requests that its server got. The asserts here are rewritten by pytest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.journal import Exchange
from pytest_httpserve.scripting.matchers import Matcher, match
from pytest_httpserve.scripting.report import describe_check, exchange_line

Step = Matcher | tuple[str, str] | str


def assert_requested(exchanges: Sequence[Exchange], matcher: Matcher, what: str, times: int | None) -> None:
    """Fail unless requests that ``matcher`` takes came in: ``times`` of them, or one at least."""
    __tracebackhide__ = True
    found = [exchange for exchange in exchanges if matcher.matches(exchange.request)]
    if times is None:
        assert found, _explain(f"{what} was not requested", exchanges, matcher)
    else:
        assert len(found) == times, _explain(
            f"{what} was requested {len(found)} times, not {times}", exchanges, matcher
        )


def assert_not_requested(exchanges: Sequence[Exchange], matcher: Matcher, what: str) -> None:
    """Fail if a request that ``matcher`` takes came in."""
    __tracebackhide__ = True
    found = [exchange for exchange in exchanges if matcher.matches(exchange.request)]
    assert not found, "\n".join([f"{what} was requested:", *(f"  {exchange_line(exchange)}" for exchange in found)])


def assert_in_order(exchanges: Sequence[Exchange], steps: Iterable[Step]) -> None:
    """Fail unless the steps were requested in this order; other requests may stand between them."""
    __tracebackhide__ = True
    wanted = [(_name(step), _matcher(step)) for step in steps]
    rest = iter(exchanges)
    for position, (name, matcher) in enumerate(wanted, 1):
        if not any(matcher.matches(exchange.request) for exchange in rest):
            before = f" after {wanted[position - 2][0]}" if position > 1 else ""
            raise AssertionError(
                _list(f"step {position}, {name}, was not requested{before}; requested were:", exchanges)
            )


def assert_none(exchanges: Sequence[Exchange]) -> None:
    """Fail if any request came in."""
    __tracebackhide__ = True
    assert not exchanges, _list("there were requests:", exchanges)


def _matcher(step: Step) -> Matcher:
    if isinstance(step, Matcher):
        return step
    if isinstance(step, str):
        method, blank, path = step.partition(" ")
        return match(method, path) if blank else match("*", step)
    if isinstance(step, tuple) and len(step) == 2:
        return match(*step)
    raise UsageError(f"a step is ('GET', '/path'), 'GET /path' or a matcher, not {step!r}")


def _name(step: Step) -> str:
    return " ".join(step) if isinstance(step, tuple) else step if isinstance(step, str) else "a matcher"


def _list(title: str, exchanges: Sequence[Exchange]) -> str:
    return "\n".join([title, *(f"  {exchange_line(exchange)}" for exchange in exchanges)])


def _explain(title: str, exchanges: Sequence[Exchange], matcher: Matcher) -> str:
    """What was requested instead, the nearest request with each criterion."""
    if not exchanges:
        return f"{title}: there were no requests"
    lines = [_list(f"{title}; requested were:", exchanges)]
    held = [(exchange, matcher.checks(exchange.request)) for exchange in exchanges]
    nearest, checks = min(held, key=lambda one: sum(not check.passed for check in one[1]))
    lines.append(f"the nearest is {nearest.request}:")
    lines += [f"  {line}" for check in checks for line in describe_check(check)]
    return "\n".join(lines)
