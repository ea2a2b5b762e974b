"""What of a Compose project exists on the engine, found by label, and how to remove all of it.

Compose labels every container, network and volume with its project, and ours
carry the run and the runner besides. So a stack can be found and removed by
anyone, long after the process that started it was killed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network
from docker.models.volumes import Volume

from harness.identity import ProcessId
from harness.records import RUN_LABEL
from harness.wait import wait_until
from infra import engine

RUNNER_LABEL = "heavyweather.runner"
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
# What docker-compose.yml calls a stack that a user started by hand: theirs to remove.
BY_HAND = "manual"

# Removing a container waits for its processes to die and its layers to be unmounted.
_REMOVED_S = 60.0

_LAST_WORDS = 15

_Thing = Container | Network | Volume


def containers(client: docker.DockerClient, project: str) -> list[Container]:
    """Return a project's containers of services, running or not; one removed meanwhile is left out."""
    filters: dict[str, str | list[str] | bool] = {"label": [f"{PROJECT_LABEL}={project}", SERVICE_LABEL]}
    found: list[Container] = client.containers.list(all=True, filters=filters, ignore_removed=True)
    return found


def save_logs(client: docker.DockerClient, project: str, folder: Path) -> None:
    """Write what each service's container has printed to `folder`/SERVICE.log; one that cannot be had is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for container in containers(client, project):
        path = folder / f"{container.labels[SERVICE_LABEL]}.log"
        with contextlib.suppress(APIError, OSError), path.open("wb") as log:
            for chunk in container.logs(stream=True, follow=False):
                log.write(chunk)


def death(client: docker.DockerClient, project: str, service: str) -> str | None:
    """Return how a service's container ended, with the last it printed, or None while it has not."""
    for container in containers(client, project):
        if container.labels[SERVICE_LABEL] == service and container.status in {"exited", "dead"}:
            words = container.logs(tail=_LAST_WORDS).decode(errors="replace").strip()
            return f"exited with code {container.attrs['State']['ExitCode']}:\n{words}"
    return None


def sweep(client: docker.DockerClient, project: str) -> None:
    """Remove all that carries the project's label until nothing does. Raises NotReady after a limit.

    It checks again each time: the engine may still be finishing a creation
    that an interrupted Compose asked for.
    """
    label = f"{PROJECT_LABEL}={project}"

    def still_there() -> str | None:
        # Containers come first: a network or a volume in use cannot be removed.
        for thing in _labelled(client, label):
            with contextlib.suppress(APIError):
                _remove(thing)
        left = [str(thing.name) for thing in _labelled(client, label)]
        return f"still there: {', '.join(left)}" if left else None

    wait_until(f"removal of project {project}", still_there, limit_s=_REMOVED_S)


def project_name(run_id: str) -> str:
    """Return what the Compose project of a run is called."""
    return "heavyweather-" + re.sub(r"[^a-z0-9_-]", "-", run_id.lower())


@engine.answering()
def leftover_projects() -> list[str]:
    """Return the projects of runs whose runner is gone: none started by hand, none in use by a living runner.

    Raises EnvironmentMissing when no engine answers, StackError when it answers with an error.
    """
    with contextlib.closing(engine.connect()) as client:
        every = [_labels(thing) for thing in _labelled(client, RUN_LABEL)]
    gone = {labels[PROJECT_LABEL] for labels in every if PROJECT_LABEL in labels and _orphaned(labels)}
    return sorted(gone)


@engine.answering()
def remove_project(name: str) -> None:
    """Remove a project's containers, networks and volumes. Raises EnvironmentMissing, StackError, NotReady."""
    with contextlib.closing(engine.connect()) as client:
        sweep(client, name)


def is_alive(runner: str) -> bool:
    """Return whether the process that a label names, as `ProcessId` writes itself, still runs."""
    try:
        return ProcessId.parse(runner).lives
    except ValueError:
        return False


def _orphaned(labels: dict[str, str]) -> bool:
    return labels[RUN_LABEL] != BY_HAND and not is_alive(labels.get(RUNNER_LABEL, ""))


def _labelled(client: docker.DockerClient, label: str) -> Iterator[_Thing]:
    filters: dict[str, str | list[str] | bool] = {"label": label}
    yield from client.containers.list(all=True, filters=filters, ignore_removed=True)
    yield from client.networks.list(filters=filters)
    yield from client.volumes.list(filters=filters)


def _labels(thing: _Thing) -> dict[str, str]:
    if isinstance(thing, Container):
        return dict(thing.labels)
    return dict(thing.attrs.get("Labels") or {})


def _remove(thing: _Thing) -> None:
    if isinstance(thing, Container):
        thing.remove(v=True, force=True)
    elif isinstance(thing, Volume):
        thing.remove(force=True)
    else:
        thing.remove()
