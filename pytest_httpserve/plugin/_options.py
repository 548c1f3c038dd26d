"""The command-line options, each with its ini twin, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_httpserve.plugin._markers import DESCRIPTIONS

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_HOST = "127.0.0.1"

# The same kinds of failures as in scripting.record.journal, which is not imported before it is needed.
KINDS = ("unanswered", "refused", "errors", "expectations")

# The same as in scripting.recordings.run.
MODES = ("none", "missing", "all", "compare")

TRACE_MODES = ("on", "retain-on-failure")

_SETTINGS: pytest.StashKey[dict[str, Any]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("httpserve", "HTTP servers for tests")
    text = f"IP address that the servers of the httpserve fixtures listen on (default: {DEFAULT_HOST})"
    group.addoption("--httpserve-host", metavar="ADDRESS", default=None, help=text)
    parser.addini("httpserve_host", help=text, default=None)
    text = "fail a test if nobody calls one of its routes that is not optional()"
    group.addoption("--httpserve-strict", action="store_true", default=None, help=text)
    parser.addini("httpserve_strict", help=text, type="bool", default=False)
    text = "kind of failure to ignore: unanswered, refused, errors or expectations (can be given several times)"
    group.addoption("--httpserve-ignore", metavar="KIND", action="append", default=None, help=text)
    parser.addini("httpserve_ignore", help=text, type="args", default=[])
    text = (
        "header field whose value reports and traces hide, in addition to Authorization, Proxy-Authorization, "
        "Cookie and Set-Cookie (can be given several times)"
    )
    group.addoption("--httpserve-redact", metavar="NAME", action="append", default=None, help=text)
    parser.addini("httpserve_redact", help=text, type="args", default=[])
    text = "keep the servers of a failing test running, show where they listen, and wait for Enter"
    group.addoption("--httpserve-hold", action="store_true", default=None, help=text)
    parser.addini("httpserve_hold", help=text, type="bool", default=False)
    text = "print each exchange as soon as it is over, while its test still runs"
    group.addoption("--httpserve-live", action="store_true", default=None, help=text)
    parser.addini("httpserve_live", help=text, type="bool", default=False)
    text = "write a HAR file for each test, and a page that shows what its servers have seen, to this folder"
    group.addoption("--httpserve-trace", metavar="DIR", default=None, help=text)
    parser.addini("httpserve_trace", help=text, default=None)
    text = "which tests write a trace: all (on, the default), or only those that fail (retain-on-failure)"
    group.addoption("--httpserve-trace-mode", metavar="MODE", default=None, help=text)
    parser.addini("httpserve_trace_mode", help=text, default=None)
    text = (
        "ask the real hosts for what recordings lack (missing), or for everything again (all), and record it; or "
        "compare their present answers with the recorded ones (compare); "
        f"one of {', '.join(MODES)} (default: none, nothing leaves this machine)"
    )
    group.addoption("--httpserve-record", metavar="MODE", default=None, help=text)
    parser.addini("httpserve_record", help=text, default=None)
    text = "PEM file with the test CA and its key, created if it does not exist (default: a new CA for each run)"
    group.addoption("--httpserve-ca", metavar="PATH", default=None, help=text)
    parser.addini("httpserve_ca", help=text, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers. A wrong value of an option ends the run before it begins."""
    pytest.register_assert_rewrite("pytest_httpserve.scripting.reports.assertions")
    for line in DESCRIPTIONS:
        config.addinivalue_line("markers", line)
    _host(config)
    if config.getoption("--httpserve-hold") and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "--httpserve-hold needs a terminal, which workers of pytest-xdist do not have: add -n 0"
        )
    if config.getoption("--httpserve-live") and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "--httpserve-live needs a terminal, which workers of pytest-xdist do not have: add -n 0"
        )
    _check_redacted(config)
    _record(config)
    if is_live(config):
        from pytest_httpserve.plugin._live import Live

        config.pluginmanager.register(Live(), "httpserve-live")
    _start_tracing(config)
    for given, kinds in _ignored_by(config):
        for kind in kinds:
            if kind not in KINDS:
                raise pytest.UsageError(f"{given}{kind!r} is not one of {', '.join(KINDS)}")


def settings(config: pytest.Config) -> dict[str, Any]:
    """``host``, ``strict``, ``ignore``, ``redact`` and ``record`` for a session's servers, from options or ini."""
    if _SETTINGS not in config.stash:
        config.stash[_SETTINGS] = {
            "host": _host(config),
            "strict": _switch(config, "strict"),
            "ignore": tuple(kind for _, kinds in _ignored_by(config) for kind in kinds),
            "redact": _redacted(config),
            "record": _record(config),
        }
    return config.stash[_SETTINGS]


def is_holding(config: pytest.Config) -> bool:
    """Whether the servers of a failing test stay up for somebody to look at."""
    return _switch(config, "hold") and not hasattr(config, "workerinput")


def is_live(config: pytest.Config) -> bool:
    """Whether each exchange is printed as soon as it is over."""
    return _switch(config, "live") and not hasattr(config, "workerinput")


def _switch(config: pytest.Config, name: str) -> bool:
    """The value of the option or, without it, of its ini twin."""
    option = config.getoption(f"--httpserve-{name}")
    return bool(config.getini(f"httpserve_{name}") if option is None else option)


def _ignored_by(config: pytest.Config) -> list[tuple[str, list[str]]]:
    """The ignored kinds, and where they were given: by the option or, without it, by its ini twin."""
    option = config.getoption("--httpserve-ignore")
    if option is not None:
        return [("--httpserve-ignore=", option)]
    return [("httpserve_ignore = ", config.getini("httpserve_ignore"))]


def _check_redacted(config: pytest.Config) -> None:
    if names := _redacted(config):
        from pytest_httpserve.errors import UsageError
        from pytest_httpserve.scripting.record.redaction import check_redact

        try:
            check_redact(names)
        except UsageError as error:
            raise pytest.UsageError(f"httpserve_redact: {error}") from None


def _redacted(config: pytest.Config) -> tuple[str, ...]:
    """The names given by the option or, without it, by its ini twin."""
    option = config.getoption("--httpserve-redact")
    return tuple(config.getini("httpserve_redact") if option is None else option)


def _record(config: pytest.Config) -> str:
    """The recording mode."""
    return _one_of(config, "record", MODES)


def _one_of(config: pytest.Config, name: str, values: tuple[str, ...]) -> str:
    """One of the values: from the option, otherwise from its ini twin, otherwise the first."""
    given, value = _given(config, name)
    if value is None:
        return values[0]
    if value not in values:
        raise pytest.UsageError(f"{given}{value!r} is not one of {', '.join(values)}")
    return value


def _given(config: pytest.Config, name: str) -> tuple[str, str | None]:
    """The value of the option or, without it, of its ini twin, and which of them it came from."""
    option = config.getoption(f"--httpserve-{name}")
    if option is not None:
        return f"--httpserve-{name}=", option
    ini = config.getini(f"httpserve_{name.replace('-', '_')}")
    return f"httpserve_{name.replace('-', '_')} = ", ini or None


def given_hosts(config: pytest.Config) -> tuple[tuple[str, str | None], ...]:
    """The address to listen on, as given, and by which setting."""
    return (
        ("--httpserve-host=", config.getoption("--httpserve-host")),
        ("httpserve_host = ", config.getini("httpserve_host")),
    )


def _host(config: pytest.Config) -> str:
    """The address to listen on: from the option, otherwise from its ini twin, otherwise the default."""
    for given, value in given_hosts(config):
        if value:
            from pytest_httpserve.errors import UsageError
            from pytest_httpserve.scripting.live.addresses import check_host

            try:
                return check_host(value, given)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None
    return DEFAULT_HOST


def given_ca(config: pytest.Config) -> tuple[str, str | None]:
    """The file of the CA, as given, and by which setting."""
    option = config.getoption("--httpserve-ca")
    return ("--httpserve-ca: ", option) if option else ("httpserve_ca: ", config.getini("httpserve_ca"))


def ca_path(config: pytest.Config) -> Path | None:
    """The file of the CA."""
    return _path(config, *given_ca(config))


def _path(config: pytest.Config, given: str, path: str | None) -> Path | None:
    """The path, relative to where pytest was started or, from a configuration file, to that file."""
    if not path:
        return None
    from_option = given.startswith("--")
    base = config.invocation_params.dir if from_option or config.inipath is None else config.inipath.parent
    return base / path


def _start_tracing(config: pytest.Config) -> None:
    """Write the trace of each test to a folder, if one is given."""
    given, path = _given(config, "trace")
    mode = _one_of(config, "trace-mode", TRACE_MODES)
    folder = _path(config, given, path)
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"{given}{path}: the folder cannot be made: {error.strerror}") from None
    from pytest_httpserve.plugin._traces import Traces

    config.pluginmanager.register(Traces(folder, shows_all=mode == "on"), "httpserve-trace")
