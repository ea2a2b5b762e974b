"""What a local stack is made of on this machine: found before anything starts, described once everything runs."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.errors import EnvironmentMissing
from infra.local.postgres_server import PostgresInstall, find_postgres, postgres_version
from infra.local.redis_server import RedisInstall, find_redis, redis_version
from infra.toxiproxy.server import find_or_build, toxiproxy_version


@dataclass(frozen=True, slots=True)
class Installed:
    """The programs to start; None where the target names a service instead."""

    postgres: PostgresInstall | None
    redis: RedisInstall | None
    toxiproxy: Path

    def versions(self, *, dsn: str, redis_url: str) -> dict[str, str]:
        """Return service to version, the stores' as they report it themselves, and where each is from."""
        reference = f"reference service, Python {platform.python_version()}, starlette {metadata.version('starlette')}"
        return {
            "postgres": postgres_version(dsn) + _from(self.postgres),
            "redis": redis_version(redis_url) + _from(self.redis),
            "toxiproxy": toxiproxy_version(self.toxiproxy) or "unknown",
            "auth": reference,
            "api": reference,
        }


def find_installed(named: Mapping[str, str]) -> Installed:
    """Return the programs that a stack needs from this machine. Raises EnvironmentMissing before anything starts."""
    if sys.platform == "win32":
        remedy = "no Redis server exists for Windows; use --stack compose, or run in WSL"
        raise EnvironmentMissing("the local provider", remedy)
    return Installed(
        postgres=None if "postgres" in named else find_postgres(),
        redis=None if "redis" in named else find_redis(),
        toxiproxy=find_or_build(),
    )


def _from(install: PostgresInstall | RedisInstall | None) -> str:
    return f" ({install.source})" if install else ""
