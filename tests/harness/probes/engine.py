"""Containers of a test's own on whichever engine answers, of an image that is there already."""

import contextlib
import os
import socket
from collections.abc import Iterator

import docker
import pytest
from docker.errors import DockerException
from docker.models.containers import Container

from harness.wait import wait_until

LIMIT_S = 20.0
# Any image will do that has `sleep` and `sh`; these are ours and the usual ones.
IMAGES = ("heavyweather/base:offline", "heavyweather/python:offline", "alpine:latest", "busybox:latest")


def listening() -> bool:
    """Whether anybody listens where the engine should; asked in vain, docker's client leaves its socket open."""
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(address.removeprefix("unix://")) == 0


class Maker:
    """Starts containers, and removes them at the end."""

    def __init__(self, client: docker.DockerClient, image: str, after: contextlib.ExitStack) -> None:
        self._client = client
        self._image = image
        self._after = after

    def run(self, command: str = "exec sleep 600", **options: object) -> Container:
        options = {"network_mode": "none", **options}
        running = self._client.containers.run(self._image, ["sh", "-c", command], detach=True, **options)  # type: ignore[call-overload] # options are docker's
        assert isinstance(running, Container)
        self._after.callback(running.remove, force=True)
        return running


@contextlib.contextmanager
def making() -> Iterator[Maker]:
    if not listening():
        pytest.skip("no Docker engine listens")
    with contextlib.ExitStack() as after:
        try:
            client = docker.from_env()
            after.callback(client.close)
            here = {tag for image in client.images.list() for tag in image.tags}
        except DockerException as error:
            pytest.skip(f"no Docker engine answers: {error}")
        image = next((name for name in IMAGES if name in here), None)
        if image is None:
            pytest.skip(f"none of the images {', '.join(IMAGES)} is here")
        yield Maker(client, image, after)


def until_status(container: Container, status: str) -> None:
    def seen() -> str | None:
        container.reload()
        return None if container.status == status else container.status

    wait_until(f"a container {status}", seen, limit_s=LIMIT_S)
