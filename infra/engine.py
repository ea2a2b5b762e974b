"""Finds the Docker engine and Compose v2, and reports which of them is missing and how to get it.

The engine must be this machine's own: ports are published on 127.0.0.1, so a
stack on a distant engine could be started but never reached.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence

import docker
import requests
from docker.errors import DockerException

from harness.errors import EnvironmentMissing, StackError

# An engine that is there answers within milliseconds; one that wakes from sleep takes seconds.
_ANSWER_S = 20.0
# The SDK waits this long for one reply; removing a large container on a slow disk is the longest.
_CALL_S = 60
# Inline `configs` came with 2.23.1.
_LOWEST_COMPOSE = (2, 23, 1)
# An interrupted Compose finishes the request it is in and leaves.
_LEAVE_S = 10.0
_TAIL_LINES = 12
_ON_DEBIAN = "on Debian, .ci/container-engine sets one up; without Docker, use --stack local"


def connect() -> docker.DockerClient:
    """Return a client of the engine that the `docker` command talks to; the caller closes it.

    Raises EnvironmentMissing when there is no command, no local engine or no answer.
    """
    if shutil.which("docker") is None:
        raise EnvironmentMissing("the docker command", f"install Docker; {_ON_DEBIAN}")
    try:
        where = address()
        if not where.startswith(("unix://", "npipe://")):
            raise EnvironmentMissing(
                "a Docker engine on this machine", f"`docker` talks to {where}; choose a local one"
            )
        # Asked here, as the SDK leaves a socket open when it asks in vain.
        api_version = _ask("version", "--format", "{{.Server.APIVersion}}")
        return docker.DockerClient(base_url=where, version=api_version, timeout=_CALL_S)
    except (OSError, subprocess.SubprocessError, DockerException) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        raise EnvironmentMissing("a Docker engine that answers", f"start Docker ({reason}); {_ON_DEBIAN}") from error


def address() -> str:
    """Return where the engine listens. The command knows contexts, and honours DOCKER_HOST; the SDK only the latter."""
    return _ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")


def compose_version() -> str:
    """Return the version of Compose v2, such as "2.40.3". Raises EnvironmentMissing when it is absent or too old."""
    remedy = f"install the docker-compose-plugin package; {_ON_DEBIAN}"
    try:
        text = _ask("compose", "version", "--short").lstrip("v")
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentMissing("Docker Compose v2 (`docker compose`)", remedy) from error
    numbers = tuple(int(part) for part in text.split("-")[0].split("+")[0].split(".") if part.isdecimal())
    # A build of its own calls itself "dev": no number to judge, so it is given the benefit of the doubt.
    if numbers and numbers < _LOWEST_COMPOSE:
        lowest = ".".join(map(str, _LOWEST_COMPOSE))
        raise EnvironmentMissing(f"Docker Compose {lowest} or newer (this is {text})", remedy)
    return text


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Turn any error of the engine or the way to it into a StackError; also a decorator."""
    try:
        yield
    except (DockerException, requests.RequestException) as error:
        raise StackError(f"the Docker engine: {error}") from error


def compose(project: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str], *, limit_s: float) -> str:
    """Run `docker compose` and return what it printed on its standard output. Raises StackError.

    `project` are the options that choose the project, `arguments` the verb and its own options.
    It runs in a session of its own: a Ctrl-C in the terminal reaches only us,
    who then end Compose before anything of its making is taken down.
    """
    command = ["docker", "compose", "--ansi", "never", "--progress", "plain", *project, *arguments]
    process: subprocess.Popen[str] | None = None
    try:
        with _interrupt_deferred():
            process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        printed, complaints = process.communicate(timeout=limit_s)
    except BaseException as error:
        if process is not None:
            _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise StackError(f"docker compose {arguments[0]} not done after {limit_s:.0f} s") from error
        raise
    if process.returncode:
        tail = "\n".join(complaints.strip().splitlines()[-_TAIL_LINES:])
        raise StackError(f"docker compose {arguments[0]} failed (exit code {process.returncode}):\n{tail}")
    return printed


@contextlib.contextmanager
def _interrupt_deferred() -> Iterator[None]:
    """Hold signals back while a process starts: raised half-way, they would leave one that is not recorded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    former = {
        number: signal.signal(number, lambda number, _frame: arrived.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt Compose and the plugin under it, wait for both to leave, then insist."""
    for stop in ("SIGINT", "SIGKILL"):
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, getattr(signal, stop))
        else:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_LEAVE_S)
            return


def _ask(*arguments: str) -> str:
    command = ["docker", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_ANSWER_S)
    return done.stdout.strip()
