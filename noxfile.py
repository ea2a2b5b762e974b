"""One session per verb; each installs what it needs from the locked requirements and runs one command.

A suite's sessions are its test files, suites/soak/test_short.py being `soak_short`, and the tiers of suites/tiers.toml.
`make VERB` calls these without anything installed beforehand; with nox at
hand, `nox -s NAME -- OPTIONS` is the same.
"""

from __future__ import annotations

import ast
import logging
import os
import signal
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

# A run that is interrupted heals, takes down and reports: nox must not cut that short. A Ctrl-C reaches the run by
# itself; what else stops nox is handed on as a SIGTERM after the first of these. Both count even where a script's `&`
# has nox ignore them.
_HAND_ON_S = 1.0
_ENDING_S = 120.0
for _number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_number, signal.default_int_handler)

_LOG = logging.getLogger("nox")


def _install(session: nox.Session, *groups: str) -> None:
    _LOG.setLevel(logging.NOTSET)
    for group in groups:
        session.install("--require-hashes", "-r", f"requirements/{group}.txt")


def _run(
    session: nox.Session,
    *command: str,
    hand_on_s: float = _ENDING_S,
    env: Mapping[str, str | None] | None = None,
) -> None:
    """Run the last command of a session: nox adds no line to what it says, and a failure's exit code is nox's own."""
    _LOG.setLevel(logging.CRITICAL)
    try:
        session.run(*command, env=env, interrupt_timeout=hand_on_s, terminate_timeout=_ENDING_S)
    except CommandFailed as failed:
        sys.exit(failed.return_code or str(failed))


def _prepare_stack(session: nox.Session) -> None:
    """Get what the chosen provider builds with: uv for images; for processes Toxiproxy, and Go only if it must be."""
    if "compose" in session.posargs or "--stack=compose" in session.posargs:
        _install(session, "boot")
        return
    try:
        session.run("python", "-m", "infra", "toxiproxy")
    except CommandFailed:
        _install(session, "go")
        session.run("python", "-m", "infra", "toxiproxy")


def _play(session: nox.Session, *arguments: str) -> None:
    """Run suites: a run ends the console itself, with its verdict and the command that runs it again."""
    distributed = any(argument.startswith("--workers") for argument in session.posargs)
    _install(session, "cluster" if distributed else "run")
    _prepare_stack(session)
    command = ("python", "-m", "pytest", "-p", "fixtures.plugin", *arguments, *session.posargs)
    _run(session, *command, hand_on_s=_HAND_ON_S)


def _add_suite(name: str, test: str, takes: str = "") -> None:
    """Add the session that plays one test file, as a tier or by itself; its first line is the session's."""

    def play(session: nox.Session) -> None:
        # What a replay plays stands first, as in `nox -s replay -- PROFILE`.
        if name == "replay" and session.posargs and not session.posargs[0].startswith("-"):
            session.posargs[0] = f"--profile={session.posargs[0]}"
        _play(session, "-qq", "-o", "console_output_style=classic", test, f"--tier={name}")

    line = (ast.get_docstring(ast.parse(Path(test).read_text(encoding="utf-8"))) or name).splitlines()[0]
    play.__doc__ = f"{line.removesuffix('.')} ({takes})." if takes else line
    nox.session(name=name)(play)


def _add_suites() -> None:
    tiers = tomllib.loads(Path("suites/tiers.toml").read_text(encoding="utf-8"))
    tests = {name: f"suites/{tier['test']}" for name, tier in tiers.items() if "test" in tier}
    for path in sorted(Path("suites").glob("*/test_*.py")):
        suite, name = path.parent.name, path.stem.removeprefix("test_")
        if not name.endswith("_twins"):
            tests[suite if name == suite else f"{suite}_{name}"] = str(path)
    for session, test in tests.items():
        _add_suite(session, test, tiers.get(session, {}).get("takes", ""))


def _add_verb(name: str, groups: str, module: str, line: str) -> None:
    """Add the session that installs dependency groups and runs one module with the options given."""

    def run(session: nox.Session) -> None:
        _install(session, *groups.split())
        _run(session, "python", "-m", *module.split(), *session.posargs)

    run.__doc__ = line
    nox.session(name=name)(run)


_add_suites()
for _row in (
    ("heal", "run", "chaos heal", "Undo the faults that killed runs left in place; `-- --check` only lists them."),
    ("down", "run", "infra down", "Take down what `up` or a killed run left running."),
    ("report", "run", "reports", "Draw a run's report again: the newest, or the one named."),
    ("history", "run boot", "reports history", "Set earlier runs side by side; `-- --otava` looks for change points."),
    ("baseline", "run", "reports baseline", "Accept the newest run as normal: `-- NAME [RUN]`, for `--baseline NAME`."),
    ("bench", "bench", "benchmarks", "Run a benchmark, ours beside its peers': `-- load`."),
    (
        "mutants",
        "tests boot",
        "tests.mutants",
        "Break the code one line at a time, and see that a test fails: `-- NAME`.",
    ),
    (
        "docs",
        "run",
        "harness.tables",
        "Write the generated parts of READMEs and schemas; `-- --check` only lists the old.",
    ),
    ("offline_images", "run boot", "infra.images.offline", "Build the container images without a container registry."),
):
    _add_verb(*_row)


@nox.session
def twins(session: nox.Session) -> None:
    """Run the suites' must-fail twins: each planted bug must be found."""
    _play(session, "-q", "-m", "twin", "suites")


@nox.session
def up(session: nox.Session) -> None:
    """Bring the reference stack up and leave it running."""
    _install(session, "run")
    _prepare_stack(session)
    _run(session, "python", "-m", "infra", "up", *session.posargs)


@nox.session
def doctor(session: nox.Session) -> None:
    """Say what is present, what is missing and what to do about it."""
    _install(session, "run")
    # First, and however the rest comes out: the next run undoes it before it begins.
    session.run("python", "-m", "chaos", "residue", success_codes=[0, 1])
    _run(session, "python", "-m", "infra", "doctor", *session.posargs)


def _tests(session: nox.Session, *chosen: str) -> None:
    _install(session, "tests", "boot")
    _prepare_stack(session)
    parallel = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
    # Tests start many of our processes, which are compiled once even where a machine forbids it.
    compiled = {"PYTHONDONTWRITEBYTECODE": ""}
    _run(session, "python", "-m", "pytest", *parallel, *chosen, *session.posargs, env=compiled)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the repository's own tests, each mechanism for real (some 8 minutes)."""
    _tests(session, "-m", "not thorough", "--hypothesis-profile=quick")


@nox.session
def test_all(session: nox.Session) -> None:
    """Run all of the repository's own tests."""
    _tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style."""
    _install(session, "tests")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    _install(session, "tests", "boot")
    session.run("mypy", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Lock the dependency groups of pyproject.toml again, for every platform, with hashes and no addresses."""
    _install(session, "boot")
    groups = {
        "tests": None,
        "cluster": "tests",
        "run": "tests",
        "services": "run",
        "bench": "tests",
        "boot": None,
        "go": None,
    }
    for group, constrained_by in groups.items():
        constraint = ("-c", f"requirements/{constrained_by}.txt") if constrained_by else ()
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
            *("--no-emit-index-url", "--no-header", "--group", f"pyproject.toml:{group}", *constraint),
            *("--output-file", f"requirements/{group}.txt", *session.posargs),
        )


# The Makefile knows no verbs itself: it names the one that it was given.
if (_verb := os.environ.get("HW_VERB")) and _verb not in nox.registry.get():
    _verbs = sorted("test" if name == "tests" else name.replace("_", "-") for name in nox.registry.get())
    sys.exit(f"no verb {_verb.replace('_', '-')!r}; one of {', '.join(_verbs)}")
