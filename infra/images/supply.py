"""Brings each chosen image onto this machine, or explains in one line how the user can.

Images are fetched before anything starts, so that one which cannot be had is
distinguished from a service that fails.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import docker
from docker.errors import ImageNotFound

from harness.errors import EnvironmentMissing, StackError
from infra.images import offline
from infra.images.choice import KINDS, Choice, variable


def supply(client: docker.DockerClient, choice: Choice, compose: Callable[[str], object]) -> None:
    """Pull or build what a choice needs. Raises EnvironmentMissing.

    `compose` runs a Compose command of several words for the stack's project, and raises StackError.
    """
    users = " ".join(KINDS[choice.kind])
    # The services are built each time: an image older than the sources would test other code.
    if choice.kind == "services" and choice.source == "offline":
        offline.build(client, ("services",))
    elif choice.kind == "services" and choice.source == "upstream":
        _attempt(choice, compose, f"build {users}")
    elif choice.missing:
        _attempt(choice, compose, f"pull {users}")


def is_present(client: docker.DockerClient, image: str) -> bool:
    """Return whether an image is on this machine."""
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _attempt(choice: Choice, compose: Callable[[str], object], command: str) -> None:
    sys.stderr.write(f"{command.split(maxsplit=1)[0]} of image {choice.image}; a first one takes minutes\n")
    try:
        compose(command)
    except StackError as error:
        remedy = (
            "without a container registry run `nox -s offline_images` once, "
            f"or name an image of yours in {variable(choice.kind)}, or use --stack local ({error})"
        )
        raise EnvironmentMissing(f"container image {choice.image}", remedy) from error
