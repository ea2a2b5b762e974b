"""`python -m infra VERB`: checks the machine, brings a stack up by hand, takes down what is left, gets Toxiproxy.

Exit codes: 0 done, 1 not possible here (doctor), 2 an error in one line, 4 something is missing (toxiproxy).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from harness.errors import EnvironmentMissing, HeavyweatherError, explain
from harness.root import ROOT
from harness.signals import handle_inherited
from infra import doctor
from infra.local import leftovers
from infra.providers import PROVIDERS, make_stack
from infra.stack import HOPS, SERVICES, Stack, StackPlan
from infra.toxiproxy.server import find_or_build

RUNS = ROOT / "reports" / "runs"
_MISSING = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; an error is one line on stderr."""
    handle_inherited()
    options = _parser().parse_args(arguments)
    verbs: Mapping[str, Callable[[argparse.Namespace], int]] = {
        "doctor": _doctor,
        "up": _up,
        "down": _down,
        "toxiproxy": _toxiproxy,
    }
    try:
        return verbs[options.verb](options)
    except (HeavyweatherError, ExceptionGroup) as error:
        print(explain(error), file=sys.stderr)
        return _MISSING if isinstance(error, EnvironmentMissing) and options.verb == "toxiproxy" else 2
    except KeyboardInterrupt:
        print("interrupted; `python -m infra down` takes down what is left", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("doctor", help="show what is present, what is missing and what to do")
    check.add_argument("--stack", choices=PROVIDERS, help="ask about one provider (default: both)")
    up = verbs.add_parser("up", help="bring a stack up, print where it listens, and leave it running")
    up.add_argument("--stack", choices=PROVIDERS, default="local", help="who brings it up (default: local)")
    up.add_argument("--target", type=Path, default=ROOT / "infra/targets/reference.toml", help="target file")
    up.add_argument("--defect", action="append", default=[], metavar="NAME[:VALUE]", help="plant a bug")
    down = verbs.add_parser("down", help="take down every stack that `up` or a killed run left")
    down.add_argument("--stack", choices=PROVIDERS, help="only those of one provider (default: both)")
    for verb in (check, up, down):
        verb.add_argument("--runs", type=Path, default=RUNS, help="folder of all run folders (default: reports/runs)")
    verbs.add_parser("toxiproxy", help="find or build the Toxiproxy server and print its path")
    return parser


def _doctor(options: argparse.Namespace) -> int:
    checks = doctor.examine(options.stack, options.runs)
    print(*checks, sep="\n")
    able = doctor.usable(checks, options.stack)
    print(f"can run with: {', '.join(f'--stack {provider}' for provider in able) or 'nothing yet'}")
    return 0 if able else 1


def _up(options: argparse.Namespace) -> int:
    from infra.target import load_target  # noqa: PLC0415 - the load's tables are slow to import

    target = load_target(options.target)
    run_id = f"up-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S')}"
    plan = StackPlan(run_id, options.runs / run_id, tuple(options.defect), target.required, target.named, target.hops)
    stack = make_stack(options.stack, plan, reaped=False)
    stack.up()
    _describe(stack, target.name)
    print(f"logs: {plan.run_folder}")
    print("take it down with: make down")
    return 0


def _describe(stack: Stack, target: str) -> None:
    print(f"{target} is up on the {stack.provider} stack")
    for service in SERVICES:
        if reason := stack.absent().get(service):
            print(f"  {service:<16} absent: {reason}")
        else:
            print(f"  {service:<16} {stack.endpoint(service)}  {stack.versions().get(service, '')}")
    for hop in HOPS:
        print(f"  hop {hop.name:<12} {stack.proxy_endpoint(hop.name)}")
    # On the console only: it holds the database's password, which nothing on disk does.
    print(f"  database         {stack.postgres_dsn()}")


def _down(options: argparse.Namespace) -> int:
    gone: list[str] = []
    failed: list[str] = []
    for step in [
        *([] if options.stack == "compose" else _recorded_processes(options.runs)),
        *([] if options.stack == "local" else _abandoned_projects(failed)),
    ]:
        # One that fails keeps no other.
        try:
            gone += step()
        except HeavyweatherError as error:
            failed.append(explain(error))
    print(f"took down: {', '.join(gone)}" if gone else "nothing to take down")
    for failure in failed:
        print(failure, file=sys.stderr)
    return 2 if failed else 0


# Takes one stack down and returns its name, nothing where there was only its record left.
_Step = Callable[[], list[str]]


def _recorded_processes(runs: Path) -> list[_Step]:
    def step(folder: Path) -> list[str]:
        record = leftovers.read_record(folder)
        if record is None or not record.abandoned:
            return []
        # Asked first: where a reaper has been, there is a record but nothing left to speak of.
        name = [folder.name] if record.living else []
        leftovers.take_down(folder, record)
        return name

    return [partial(step, path.parent) for path in sorted(runs.glob(f"*/{leftovers.FILE_NAME}"))]


def _abandoned_projects(failed: list[str]) -> list[_Step]:
    try:
        from infra.compose.projects import leftover_projects, remove_project  # noqa: PLC0415 - needs the Docker client

        projects = leftover_projects()
    except (ImportError, EnvironmentMissing):
        # No client or no engine: nothing of ours can run there.
        return []
    except HeavyweatherError as error:
        failed.append(explain(error))
        return []

    def step(project: str) -> list[str]:
        remove_project(project)
        return [project]

    return [partial(step, project) for project in projects]


def _toxiproxy(_options: argparse.Namespace) -> int:
    print(find_or_build())
    return 0


if __name__ == "__main__":
    sys.exit(main())
