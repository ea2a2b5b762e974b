"""Builds the stack's images on a machine with no container registry: `python -m infra.images.offline`.

Everything comes from Debian's archive, the Go module mirror and the Python
package index. Each image carries a hash of what went into it, its parent's
included, so that building again when nothing changed costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from harness.errors import EnvironmentMissing, HeavyweatherError, StackError
from harness.root import ROOT
from infra import engine
from infra.images.choice import offline_tag
from infra.toxiproxy.server import build_tool

_IMAGES = ROOT / "infra" / "images"
_REQUIREMENTS = ROOT / "requirements" / "services.txt"
_LABEL = "heavyweather.inputs"
# A package archive at its slowest; nothing here is worth a longer wait.
_LIMIT_S = 900.0
_BOOTSTRAP = (
    "mmdebstrap",
    "--variant=minbase",
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "bookworm",
)


def _nothing(_context: Path) -> None:
    """Leave the build context as it is: the Dockerfile and its neighbours are enough."""


def _packages(context: Path) -> None:
    """Unpack the services' locked packages for Debian's Python.

    By uv only: pip judges `python_full_version` by its own interpreter, and
    Debian's 3.11.2 needs a package that a newer one does not.
    """
    uv = [found] if (found := shutil.which("uv")) else [sys.executable, "-m", "uv"]
    target = ["--target", str(context / "packages"), "--python-version", "3.11"]
    wheels = ["--python-platform", f"{platform.machine()}-manylinux_2_28", "--only-binary", ":all:"]
    _run([*uv, "pip", "install", "--quiet", *target, *wheels, "--require-hashes", "-r", str(_REQUIREMENTS)])


def _sources(context: Path) -> None:
    shutil.copytree(
        ROOT / "infra" / "services", context / "services", ignore=shutil.ignore_patterns("__pycache__", "*.md")
    )


def _binaries(context: Path) -> None:
    build_tool("server", context / "toxiproxy")
    build_tool("cli", context / "toxiproxy-cli")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image: its parent, its Dockerfile (none: the bootstrap), what else goes in, and how that gets there."""

    kind: str
    parent: str | None = None
    dockerfile: Path | None = None
    inputs: tuple[Path, ...] = ()
    prepare: Callable[[Path], None] = _nothing


# Parents before children.
RECIPES = (
    Recipe("base"),
    Recipe("postgres", "base", _IMAGES / "postgres" / "Dockerfile", (_IMAGES / "postgres" / "entrypoint",)),
    Recipe("redis", "base", _IMAGES / "redis" / "Dockerfile"),
    Recipe(
        "toxiproxy",
        None,
        _IMAGES / "toxiproxy" / "Dockerfile",
        (ROOT / "infra" / "toxiproxy" / "go.mod", ROOT / "infra" / "toxiproxy" / "go.sum"),
        _binaries,
    ),
    Recipe("python", "base", _IMAGES / "python" / "Dockerfile", (_REQUIREMENTS,), _packages),
    Recipe(
        "services",
        "python",
        _IMAGES / "services" / "offline.Dockerfile",
        (ROOT / "infra" / "services",),
        _sources,
    ),
)


def content_hash(recipe: Recipe, parent_hash: str = "") -> str:
    """Return a hash of a recipe's Dockerfile and inputs (paths and bytes), its parent's hash included."""
    digest = hashlib.sha256(parent_hash.encode())
    if recipe.dockerfile is None:
        digest.update(" ".join(_BOOTSTRAP).encode())
    for path in _files([*([recipe.dockerfile] if recipe.dockerfile else []), *recipe.inputs]):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


@engine.answering()
def build(client: docker.DockerClient, kinds: Iterable[str] = ()) -> dict[str, float]:
    """Build what is missing or stale of `kinds` (all by default) and their parents; return seconds by kind built.

    Raises EnvironmentMissing when a needed program is absent and StackError when a build fails.
    """
    wanted = _with_parents(set(kinds)) if kinds else {recipe.kind for recipe in RECIPES}
    hashes: dict[str, str] = {}
    took_s: dict[str, float] = {}
    for recipe in RECIPES:
        hashes[recipe.kind] = content_hash(recipe, hashes.get(recipe.parent or "", ""))
        if recipe.kind in wanted and _built_from(client, recipe.kind) != hashes[recipe.kind]:
            sys.stderr.write(f"building {offline_tag(recipe.kind)}\n")
            started_s = time.perf_counter()
            with _replacing(client, offline_tag(recipe.kind)):
                _build(client, recipe, hashes[recipe.kind])
            took_s[recipe.kind] = time.perf_counter() - started_s
    return took_s


def _with_parents(kinds: set[str]) -> set[str]:
    for recipe in reversed(RECIPES):
        if recipe.kind in kinds and recipe.parent:
            kinds |= {recipe.parent}
    return kinds


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*.py") if "__pycache__" not in found.parts)
        else:
            yield path


def _built_from(client: docker.DockerClient, kind: str) -> str | None:
    try:
        return client.images.get(offline_tag(kind)).labels.get(_LABEL)
    except ImageNotFound:
        return None


@contextlib.contextmanager
def _replacing(client: docker.DockerClient, tag: str) -> Iterator[None]:
    """Remove what a tag stood for once it stands for something newer: without a name it would stay for good."""
    try:
        former = client.images.get(tag).id
    except ImageNotFound:
        former = None
    yield
    if former and client.images.get(tag).id != former:
        # Refused while a container or a child image needs it; the next prune may have it then.
        with contextlib.suppress(APIError):
            client.images.remove(former)


def _build(client: docker.DockerClient, recipe: Recipe, inputs: str) -> None:
    with tempfile.TemporaryDirectory(prefix="heavyweather-image-") as folder:
        context = Path(folder)
        try:
            if recipe.dockerfile is None:
                _bootstrap(client, recipe, inputs, context)
                return
            for path in (recipe.dockerfile, *recipe.inputs):
                if path.is_file():
                    shutil.copy(path, context)
            recipe.prepare(context)
            client.images.build(
                path=str(context),
                dockerfile=recipe.dockerfile.name,
                tag=offline_tag(recipe.kind),
                labels={_LABEL: inputs},
                rm=True,
                forcerm=True,
                timeout=int(_LIMIT_S),
            )
        except BuildError as error:
            lines = [str(line.get("stream", "")).rstrip() for line in error.build_log]
            tail = "\n".join([line for line in lines if line][-15:])
            raise StackError(f"image {offline_tag(recipe.kind)}: {error}\n{tail}") from error
        except APIError as error:
            raise StackError(f"image {offline_tag(recipe.kind)}: {error}") from error


def _bootstrap(client: docker.DockerClient, recipe: Recipe, inputs: str, context: Path) -> None:
    """Import a Debian made by mmdebstrap as the base image."""
    if shutil.which("mmdebstrap") is None:
        raise EnvironmentMissing("mmdebstrap", "apt-get install mmdebstrap, or run .ci/container-engine")
    archive = context / "base.tar"
    _run([*_BOOTSTRAP, str(archive)])
    repository, tag = offline_tag(recipe.kind).split(":")
    client.api.import_image_from_file(
        str(archive), repository=repository, tag=tag, changes=[f"LABEL {_LABEL}={inputs}", 'CMD ["bash"]']
    )


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S)
    except FileNotFoundError as error:
        raise EnvironmentMissing(command[0], "install it and try again") from error
    except subprocess.CalledProcessError as error:
        raise StackError(f"{command[0]} failed ({error.returncode}): {error.stderr.strip()[-2000:]}") from error


def main() -> int:
    """Build every offline image that is missing or stale, print what was done, and return an exit code."""
    try:
        with contextlib.closing(engine.connect()) as client:
            took_s = build(client)
            for recipe in RECIPES:
                size_bytes = client.images.get(offline_tag(recipe.kind)).attrs["Size"]
                done = f"built in {took_s[recipe.kind]:.1f} s" if recipe.kind in took_s else "up to date"
                sys.stdout.write(f"{offline_tag(recipe.kind):34} {size_bytes / 1e6:6.0f} MB  {done}\n")
    except HeavyweatherError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
