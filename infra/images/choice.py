"""Decides which image each service runs: the user's, upstream's, or the one built here.

An image named by the environment always wins. Otherwise upstream's is taken
where it is already present, and before anything is downloaded an offline image
is searched: a machine that has built those usually has no registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Each kind of image, and the services that run it.
KINDS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres",),
    "redis": ("redis",),
    "toxiproxy": ("toxiproxy",),
    "services": ("auth", "api"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One image: `source` is "named", "upstream" or "offline"; a missing one must be pulled or built first."""

    kind: str
    image: str
    source: str
    missing: bool


def variable(kind: str) -> str:
    """Return the environment variable that names a kind's image."""
    return f"HW_IMAGE_{kind.upper()}"


def offline_tag(kind: str) -> str:
    """Return the tag under which `infra.images.offline` builds a kind's image."""
    return f"heavyweather/{kind}:offline"


def choose(
    configured: Mapping[str, str], environment: Mapping[str, str], present: Callable[[str], bool]
) -> tuple[Choice, ...]:
    """Return one choice for each kind.

    `configured` maps kind to the image that docker-compose.yml arrives at with
    this environment; `present` returns whether an image is on this machine.
    """
    return tuple(_choose(kind, configured[kind], environment, present) for kind in KINDS)


def _choose(kind: str, image: str, environment: Mapping[str, str], present: Callable[[str], bool]) -> Choice:
    if environment.get(variable(kind)):
        return Choice(kind, image, "named", missing=not present(image))
    if present(image):
        return Choice(kind, image, "upstream", missing=False)
    if present(offline := offline_tag(kind)):
        return Choice(kind, offline, "offline", missing=False)
    return Choice(kind, image, "upstream", missing=True)
