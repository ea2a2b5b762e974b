"""A container of this run: found by its id on its engine, and refused unless it carries the run's label."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ChaosError, Refused
from harness.records import RUN_LABEL

if TYPE_CHECKING:
    from docker.models.containers import Container

# An engine that takes longer hangs.
_ENGINE_S = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container is: its engine's address (empty for the environment's own), its id, and whose it must be."""

    service: str
    engine: str
    container: str
    run: str

    @staticmethod
    def of(args: Mapping[str, object]) -> Place:
        """Return the place that a step's arguments describe."""
        return Place(*(str(args[name]) for name in ("service", "engine", "container", "run")))

    def args(self) -> dict[str, object]:
        """Return it as a step's arguments."""
        return {"service": self.service, "engine": self.engine, "container": self.container, "run": self.run}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Container | None]:
        """Lend the container, None when there is none any more.

        Raises Refused when it is not of the run, and turns what the engine says into ChaosError.
        """
        # Here, for it takes longer to import than all the rest, and a stack of processes needs none of it.
        import docker  # noqa: PLC0415 - as said
        from docker.errors import DockerException, NotFound  # noqa: PLC0415 - as said
        from requests import RequestException  # noqa: PLC0415 - as said

        try:
            named = docker.DockerClient(base_url=self.engine, timeout=_ENGINE_S) if self.engine else None
            with contextlib.closing(named or docker.from_env(timeout=_ENGINE_S)) as client:
                try:
                    found = client.containers.get(self.container)
                except NotFound:
                    found = None
                if found is not None and found.labels.get(RUN_LABEL) != self.run:
                    raise Refused(
                        f"container {self.container[:12]} ({self.service}) is not labelled as of run {self.run}"
                    )
                yield found
        except (DockerException, RequestException) as error:
            raise ChaosError(f"{self.service}: the engine would not: {_words(error)}") from error


def _words(error: Exception) -> str:
    """Return what the engine itself said, in one line and without the address it was asked at."""
    return " ".join(str(getattr(error, "explanation", None) or error).split())
