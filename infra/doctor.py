"""Reports what this machine has, what it lacks and what to do about it, a line each, before a run starts."""

from __future__ import annotations

import contextlib
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import EnvironmentMissing, HeavyweatherError
from harness.units import format_bytes
from infra.local import leftovers
from infra.local.postgres_server import find_postgres, temp_base
from infra.local.redis_server import find_redis
from infra.providers import PROVIDERS
from infra.toxiproxy.server import VERSION, find_go, find_server, toxiproxy_version

# A short run's journal, logs and databases; a long one checks itself what it needs.
_NEEDED_BYTES = 1e9
# Four for each of a thousand connections: the client's, both of the proxy's, the service's.
_NEEDED_FILES = 4096


class State(StrEnum):
    """How a check came out; a WARNING does not keep a stack from coming up."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was checked, its state, what was found or is to be done, and which providers need it."""

    what: str
    state: State
    text: str
    needed_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.state:<8} {self.what:<18} {self.text}"


def examine(stack: str | None, runs: Path) -> list[Check]:
    """Return all checks that concern a provider, or both; `runs` is the folder of all run folders."""
    wanted = (stack,) if stack else PROVIDERS
    every = [
        _check("Python", _python, PROVIDERS),
        _check("system", _system, ("local",)),
        _check("PostgreSQL", _postgres, ("local",)),
        _check("Redis", _redis, ("local",)),
        _check("Toxiproxy", _toxiproxy, ("local",)),
        *(_docker() if "compose" in wanted else ()),
        _disk(runs),
        _files(),
        *_leftovers(runs),
    ]
    return [check for check in every if not check.needed_by or set(check.needed_by) & set(wanted)]


def usable(checks: Iterable[Check], stack: str | None) -> list[str]:
    """Return the providers that can bring a stack up: those asked for that lack nothing they need."""
    lacking = {provider for check in checks if check.state is State.MISSING for provider in check.needed_by}
    return [provider for provider in PROVIDERS if provider not in lacking and stack in (None, provider)]


def _check(what: str, find: Callable[[], str], needed_by: Sequence[str]) -> Check:
    try:
        return Check(what, State.OK, find(), tuple(needed_by))
    except EnvironmentMissing as missing:
        return Check(what, State.MISSING, missing.remedy, tuple(needed_by))
    except HeavyweatherError as error:
        return Check(what, State.MISSING, str(error), tuple(needed_by))


def _python() -> str:
    return f"{platform.python_version()}, {sys.executable}"


def _system() -> str:
    if sys.platform == "win32":
        raise EnvironmentMissing("the local provider", "no Redis server exists for Windows; use compose, or WSL")
    return f"{platform.system()} {platform.machine()}, temporary folders in {temp_base()}"


def _postgres() -> str:
    found = find_postgres()
    return f"{found.version}, {found.source}"


def _redis() -> str:
    found = find_redis()
    return f"{found.version}, {found.source}"


def _toxiproxy() -> str:
    if server := find_server():
        return f"{toxiproxy_version(server)}, {server}"
    return f"{VERSION} will be built at first use with {find_go()}"


def _docker() -> list[Check]:
    from infra import engine  # noqa: PLC0415 - the Docker client is slow to import and often not asked about

    def images() -> str:
        with contextlib.closing(engine.connect()) as client:
            tags = {tag for image in client.images.list() for tag in image.tags}
        offline = sorted(tag for tag in tags if tag.startswith("heavyweather/") and tag.endswith(":offline"))
        return f"built offline: {', '.join(offline)}" if offline else "upstream's will be pulled; none built offline"

    def version() -> str:
        with contextlib.closing(engine.connect()) as client:
            return str(client.version()["Version"])

    checks = [
        _check("Docker engine", version, ("compose",)),
        _check("Docker Compose", engine.compose_version, ("compose",)),
    ]
    # Without an engine no images can be listed.
    return [*checks, _check("images", images, ())] if checks[0].state is State.OK else checks


def _disk(runs: Path) -> Check:
    home = next(folder for folder in (runs.resolve(), *runs.resolve().parents) if folder.exists())
    free_bytes = shutil.disk_usage(home).free
    if free_bytes < _NEEDED_BYTES:
        text = f"{format_bytes(free_bytes)} free under {home}; have {format_bytes(_NEEDED_BYTES)} free for a short run"
        return Check("disk", State.WARNING, text)
    return Check("disk", State.OK, f"{format_bytes(free_bytes)} free")


def _files() -> Check:
    if sys.platform == "win32":
        return Check("open files", State.OK, "not limited on this system")
    import resource  # noqa: PLC0415 - POSIX only

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _NEEDED_FILES:
        text = f"limit {soft}: loads of many connections need more; run `ulimit -n {_NEEDED_FILES}` first"
        return Check("open files", State.WARNING, f"{text} (the hard limit is {hard})")
    return Check("open files", State.OK, "no limit" if soft == resource.RLIM_INFINITY else f"limit {soft}")


def _leftovers(runs: Path) -> list[Check]:
    """Return a line for each local stack that still runs though its runner is gone."""
    checks = []
    try:
        abandoned = leftovers.abandoned_stacks(runs)
    except HeavyweatherError as error:
        return [Check("leftover stack", State.WARNING, str(error))]
    for folder, record in abandoned:
        if living := record.living:
            names = ", ".join(one.mark.service for one in living)
            how = "left up by `up`" if record.detached else "its runner is gone"
            text = f"{folder.name}: {names} still run ({how}); `python -m infra down` takes them down"
            checks.append(Check("leftover stack", State.WARNING, text))
    return checks
