"""Finds a Toxiproxy server, or builds the pinned one once: it is not published for every system as a package.

`infra/toxiproxy/go.mod` and `go.sum` pin the program and all it is made of by
hash, so what is built is what was reviewed. The build happens in a copy and is
moved into the user's cache whole: two builds at once do each other no harm.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import platformdirs

from harness.errors import EnvironmentMissing, InputError, StackError
from infra.processes import Program, minimal_environment

VERSION = "2.12.0"
_LOWEST, _ABOVE = (2, 12, 0), (3,)
_LOWEST_GO = (1, 24)
_MODULE = Path(__file__).resolve().parent
_PACKAGE = "github.com/Shopify/toxiproxy/v2"
# A cold build is 20 s on two slow cores; most of the rest is for a slow line to the module proxy.
_BUILD_S = 900.0
_ASK_S = 10.0
_VARIABLE = "TOXIPROXY_SERVER"
_REMEDY = (
    f"put toxiproxy-server {VERSION} or newer on PATH or its path in {_VARIABLE}; or install Go "
    f"{'.'.join(map(str, _LOWEST_GO))} or newer, or the wheel pinned in requirements/go.txt, to have it built"
)


def find_or_build() -> Path:
    """Return the path of a Toxiproxy server of version 2.12.0 or newer, below 3; progress goes to stderr.

    Raises InputError when $TOXIPROXY_SERVER names something else, EnvironmentMissing
    when there is neither a server nor a Go to build it, StackError when the build fails.
    """
    found = find_server()
    return found or build_tool("server", _cached())


def find_server() -> Path | None:
    """Return the server that needs no building, or None. Raises InputError as `find_or_build`."""
    if named := os.environ.get(_VARIABLE):
        if not _fits(Path(named)):
            rule = f"must be a Toxiproxy server, {VERSION} or newer, below 3"
            raise InputError("environment", _VARIABLE, named, rule)
        return Path(named).absolute()  # it will be started from another folder
    on_path = [shutil.which(name) for name in ("toxiproxy-server", "toxiproxy")]
    candidates = [*(Path(path).absolute() for path in on_path if path), _cached()]
    return next((path for path in candidates if _fits(path)), None)


def find_go() -> str:
    """Return the path of a Go that is new enough, from PATH or this interpreter's own folder.

    Raises EnvironmentMissing.
    """
    beside = shutil.which("go", path=str(Path(sys.executable).parent))
    for go in (shutil.which("go"), beside):
        match = re.search(r"\bgo(\d+)\.(\d+)", _ask(go, "version")) if go else None
        if go and match and (int(match[1]), int(match[2])) >= _LOWEST_GO:
            return go
    raise EnvironmentMissing("Toxiproxy", _REMEDY)


def build_tool(tool: Literal["server", "cli"], out: Path) -> Path:
    """Build one of Toxiproxy's two programs as the file `out` and return it, whole or not at all.

    Statically linked, so that it runs in an empty image. Raises EnvironmentMissing without a Go, or StackError.
    """
    go = find_go()
    print(f"building toxiproxy {tool} {VERSION}, once; it takes about 20 s ...", file=sys.stderr, flush=True)  # noqa: T201 - progress
    out.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder as `out`, so that the last move is within one file system.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=out.parent) as folder:
        built = Path(folder) / out.name
        for name in ("go.mod", "go.sum"):
            shutil.copy(_MODULE / name, folder)
        _build(go, f"{_PACKAGE}/cmd/{tool}", built)
        return built.replace(out)


def toxiproxy_program(server: Path, *, port: int, config: Path, folder: Path) -> Program:
    """Return how to start it with its API on 127.0.0.1:`port`."""
    command = (str(server), "-host", "127.0.0.1", "-port", str(port), "-config", str(config))
    # Below "error" it logs each connection several times over, and a long run makes millions.
    return Program("toxiproxy", command, folder, minimal_environment(LOG_LEVEL="error"))


def toxiproxy_version(server: Path) -> str | None:
    """Return the version that the program reports, such as "2.12.0", or None."""
    match = re.search(r"\d+\.\d+\.\d+", _ask(str(server), "-version"))
    return match[0] if match else None


def _build(go: str, package: str, built: Path) -> None:
    flags = f"-s -w -X {_PACKAGE}.Version={VERSION}"
    command = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(built), package]
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    # A workspace file in a folder above would replace what go.mod pins.
    environment["GOWORK"] = "off"
    try:
        done = subprocess.run(
            command, cwd=built.parent, env=environment, capture_output=True, text=True, timeout=_BUILD_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"building {package}: {error}") from error
    if done.returncode:
        raise StackError(f"building {package} failed:\n" + "\n".join(done.stderr.splitlines()[-12:]))


def _cached() -> Path:
    # The pins are part of the name: a change of any builds another, and a home shared by two systems serves both.
    pins = hashlib.sha256(b"".join((_MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()[:12]
    suffix = ".exe" if os.name == "nt" else ""
    name = f"toxiproxy-server-{VERSION}-{pins}-{platform.system()}-{platform.machine()}{suffix}".lower()
    return platformdirs.user_cache_path("heavyweather") / name


def _fits(server: Path) -> bool:
    version = toxiproxy_version(server) if server.is_file() else None
    return version is not None and _LOWEST <= tuple(int(part) for part in version.split(".")) < _ABOVE


def _ask(program: str, argument: str) -> str:
    """Return what a program prints when asked for its version; nothing when it does not run."""
    try:
        done = subprocess.run([program, argument], capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    # The wheel's Go, and older servers, may print it on either.
    return done.stdout + done.stderr
