"""The arguments of ``check``: what is wrong is refused in one sentence, before anything is run."""

import json
import sys
from pathlib import Path

import pytest

from pytest_httpserve.__main__ import main
from pytest_httpserve.check.catalogue import CATALOGUE, GROUPS

COMMAND = ["--", sys.executable, "-c", "pass", "{url}"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "there is no command to check: write it after --, as in -- curl -sSf {url}"),
        (["--"], "there is no command to check: write it after --, as in -- curl -sSf {url}"),
        (
            ["--", sys.executable, "-V"],
            f"the command has no {{url}}, which is replaced by the URL to request: {sys.executable} -V",
        ),
        (["--", "no-such-program", "{url}"], "the command 'no-such-program' cannot be found or executed"),
        (["--only", "tls,expird", *COMMAND], "--only 'expird' is neither an entry nor a group: did you mean expired?"),
        (
            ["--only", "?", *COMMAND],
            f"--only '?' is neither an entry nor a group: the groups are {', '.join(GROUPS)}",
        ),
        (["--timeout", "0", *COMMAND], "argument --timeout: '0' is not a number of seconds above 0"),
        (["--timeout", "soon", *COMMAND], "argument --timeout: 'soon' is not a number of seconds above 0"),
        (["--jobs", "0", *COMMAND], "argument --jobs: '0' is not a whole number of at least 1"),
        (["--jobs", "1.5", *COMMAND], "argument --jobs: '1.5' is not a whole number of at least 1"),
        (["curl", "-sS", "{url}"], "write the command after --, as in -- curl -sS {url}"),
        (["--frob", *COMMAND], "unrecognized arguments: --frob"),
        (
            ["--junit", "no/such/folder/file.xml", *COMMAND],
            "--junit 'no/such/folder/file.xml' cannot be written: No such file or directory",
        ),
    ],
    ids=lambda value: value.split(":")[0][:40] if isinstance(value, str) else "",
)
def test_wrong_arguments_are_refused(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", *arguments]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"python -m pytest_httpserve check: {sentence}\n")


def test_a_command_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chekc", "--", "true", "{url}"]) == 2
    told = capsys.readouterr()
    assert (
        told.err == "python -m pytest_httpserve: there is no command 'chekc': the commands are check, migrate, show\n"
    )


def test_the_list_has_each_entry_beneath_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.removesuffix(":") for line in lines if line.endswith(":")] == [*GROUPS]
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [entry.name for entry in CATALOGUE]


def test_the_list_for_a_program_has_the_chosen_entries_and_their_controls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list", "--json", "--only", "expired", "--only", "redirect_loop,slow_body"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["entry"] for one in listed] == ["control", "tls_control", "expired", "slow_body", "redirect_loop"]
    assert listed[2] == {
        "entry": "expired",
        "group": "tls",
        "what": "the certificate has expired",
        "should": "refuse it without sending a request",
    }


def test_the_names_of_entries_and_groups_are_different() -> None:
    names = [entry.name for entry in CATALOGUE]
    assert len({*names, *GROUPS}) == len(names) + len(GROUPS)


def test_help_of_the_server_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Other commands" in capsys.readouterr().out
