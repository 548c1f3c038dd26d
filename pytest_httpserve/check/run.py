"""Runs the command once for each entry, each time against a new server."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pytest_httpserve.check.catalogue import CONTROLS, control_of
from pytest_httpserve.check.command import Command
from pytest_httpserve.check.entry import PATH, Ending, Entry
from pytest_httpserve.check.outcome import Outcome
from pytest_httpserve.check.verdict import Printing, Verdict, ending_of, judge
from pytest_httpserve.errors import UnsupportedError
from pytest_httpserve.scripting.httpserve import HTTPServe
from pytest_httpserve.tls.authority import CertificateAuthority

_IGNORED = ("unanswered", "refused", "errors", "expectations")
_ERRORS = 2_000  # how many bytes of a client's stderr to show


@dataclass(frozen=True)
class Result:
    """The result of an entry: ``outcome`` is None if it was not run, and ``did`` says why."""

    entry: Entry
    did: str
    verdict: Verdict
    outcome: Outcome | None = None
    ending: Ending | None = None

    @property
    def errors(self) -> str:
        """The end of what the client wrote to its stderr."""
        return self.outcome.ended.errors[-_ERRORS:].decode("utf-8", "replace").strip() if self.outcome else ""


class Check:
    """A command to check, and the settings of its runs."""

    def __init__(self, command: Command, authority: CertificateAuthority, timeout: float, jobs: int) -> None:
        self._command, self._authority = command, authority
        self._timeout, self._jobs = timeout, jobs

    def results(self, entries: Sequence[Entry]) -> Generator[Result, None, None]:
        """One result for each entry, the controls first; yields each as soon as it and those before it are known."""
        passed: dict[str, Printing] = {}
        for control in (entry for entry in CONTROLS if entry in entries):
            result = self._result({}, control)
            if result.verdict == "right" and result.outcome is not None:
                passed[control.name] = Printing.learnt(result.outcome.ended.output)
            yield result
        pool = ThreadPoolExecutor(self._jobs)
        try:
            others = [entry for entry in entries if entry not in CONTROLS]
            yield from pool.map(partial(self._result, passed), others)
        finally:
            self._command.end()
            pool.shutdown(cancel_futures=True)

    def _result(self, passed: Mapping[str, Printing], entry: Entry) -> Result:
        control = control_of(entry)
        if entry is not control and control.name not in passed:
            return Result(entry, f"was not run: the client did not pass {control.name}", "unclear")
        try:
            outcome = self._run(entry)
        except UnsupportedError as error:
            return Result(entry, f"could not be run: {error}", "unclear")
        # Before a control, nobody knows what the client prints.
        ending = ending_of(entry, outcome, passed.get(control.name, Printing()))
        return Result(entry, f"{ending.value}: {outcome.facts}", judge(entry, ending), outcome, ending)

    def _run(self, entry: Entry) -> Outcome:
        server = HTTPServe(tls=entry.tls, http2=entry.http2, ca=self._authority, ignore=_IGNORED).start()
        try:
            entry.tell(server)
            ended = self._command.run(
                server.url_for(PATH), str(self._authority.pem_path), self._timeout + entry.lasts, len(entry.body)
            )
        finally:
            server.stop()
        return Outcome.of(ended, server.exchanges, len(server.connections))


def worst(results: Iterable[Result]) -> Verdict:
    """The worst of the verdicts."""
    verdicts = {result.verdict for result in results}
    return "wrong" if "wrong" in verdicts else "unclear" if "unclear" in verdicts else "right"
