"""One session per verb; each installs what it needs from the locked requirements and runs one command.

`make VERB` calls these without anything installed beforehand; with nox at
hand, `nox -s NAME -- OPTIONS` is the same.
"""

from __future__ import annotations

import signal

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

# A run that is interrupted heals, takes down and reports: nox must not cut that short. A Ctrl-C reaches the run by
# itself; what else stops nox is handed on as a SIGTERM after the first of these.
_HAND_ON_S = 1.0
_ENDING_S = 120.0
signal.signal(signal.SIGTERM, signal.default_int_handler)


def _install(session: nox.Session, group: str) -> None:
    session.install("--require-hashes", "-r", f"requirements/{group}.txt")


def _run(session: nox.Session, *command: str, hand_on_s: float = _ENDING_S) -> None:
    session.run(*command, interrupt_timeout=hand_on_s, terminate_timeout=_ENDING_S)


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


def _suite(session: nox.Session, *arguments: str) -> None:
    distributed = any(argument.startswith("--workers") for argument in session.posargs)
    _install(session, "cluster" if distributed else "run")
    _prepare_stack(session)
    command = ("python", "-m", "pytest", "-p", "fixtures.plugin", *arguments, *session.posargs)
    _run(session, *command, hand_on_s=_HAND_ON_S)


@nox.session
def soak_short(session: nox.Session) -> None:
    """Run the short soak (2-3 minutes) and give its verdict."""
    _suite(session, "suites/soak/test_short.py")


@nox.session
def soak_replies(session: nox.Session) -> None:
    """Look for replies that are stale, doubled or lost (1-2 minutes), and give the verdict."""
    _suite(session, "suites/soak/test_replies.py")


@nox.session
def replay(session: nox.Session) -> None:
    """Play a chaos profile, or a recorded run once more: `nox -s replay -- PROFILE`."""
    named = [f"--profile={session.posargs.pop(0)}"] if session.posargs[:1] and session.posargs[0][0] != "-" else []
    _suite(session, "suites/replay/test_replay.py", *named)


@nox.session
def heal(session: nox.Session) -> None:
    """Put back whatever runs that are gone left broken; `-- --check` only tells."""
    _install(session, "run")
    _run(session, "python", "-m", "chaos", "heal", *session.posargs)


@nox.session
def twins(session: nox.Session) -> None:
    """Run the suites' must-fail twins: each planted bug must be found."""
    _suite(session, "-m", "twin", "suites")


@nox.session
def up(session: nox.Session) -> None:
    """Bring the reference stack up and leave it running."""
    _install(session, "run")
    _prepare_stack(session)
    _run(session, "python", "-m", "infra", "up", *session.posargs)


@nox.session
def down(session: nox.Session) -> None:
    """Take down whatever `up` or a killed run left behind."""
    _install(session, "run")
    _run(session, "python", "-m", "infra", "down", *session.posargs)


@nox.session
def doctor(session: nox.Session) -> None:
    """Say what is present, what is missing and what to do about it."""
    _install(session, "run")
    # Told first, whatever the rest comes to: the next run puts it back before it begins.
    session.run("python", "-m", "chaos", "residue", success_codes=[0, 1])
    _run(session, "python", "-m", "infra", "doctor", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Draw a run's report again: the newest, or the one named."""
    _install(session, "run")
    _run(session, "python", "-m", "reports", *session.posargs)


@nox.session
def history(session: nox.Session) -> None:
    """Set earlier runs side by side; `-- --otava` looks for change points."""
    _install(session, "run")
    _install(session, "boot")
    _run(session, "python", "-m", "reports", "history", *session.posargs)


@nox.session
def baseline(session: nox.Session) -> None:
    """Accept the newest run as normal: `nox -s baseline -- NAME [RUN]`; later runs take `--baseline NAME`."""
    _install(session, "run")
    _run(session, "python", "-m", "reports", "baseline", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a benchmark, ours beside its peers': `nox -s bench -- load`."""
    _install(session, "bench")
    _run(session, "python", "-m", "benchmarks", *session.posargs)


@nox.session
def offline_images(session: nox.Session) -> None:
    """Build the container stack's images from Debian's packages, for machines with no container registry."""
    _install(session, "run")
    _install(session, "boot")
    _run(session, "python", "-m", "infra.images.offline", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the repository's own tests."""
    _install(session, "tests")
    _install(session, "boot")
    _prepare_stack(session)
    _run(session, "python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style."""
    _install(session, "tests")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    _install(session, "tests")
    _install(session, "boot")
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Write the generated tables of the READMEs, and the schemas, again; `-- --check` only names those that are old."""
    _install(session, "run")
    session.run("python", "-m", "harness.tables", *session.posargs)


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
