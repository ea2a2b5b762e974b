"""Which image is chosen and fetched, and that the offline images are what their recipes say."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import EnvironmentMissing, StackError
from harness.root import ROOT
from infra import engine
from infra.images import offline
from infra.images.choice import KINDS, Choice, choose, offline_tag, variable
from infra.images.supply import is_present, supply

UPSTREAM = {kind: f"upstream/{kind}:1.0" for kind in KINDS}
BUILT_THERE, BUILT_HERE = UPSTREAM["redis"], offline_tag("redis")
EVERY_IMAGE = [*UPSTREAM.values(), *map(offline_tag, KINDS), "mine:1"]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    try:
        client = engine.connect()
    except EnvironmentMissing as error:
        pytest.skip(str(error))
    with contextlib.closing(client):
        yield client


@pytest.mark.parametrize(
    ("present", "environment", "image", "source", "missing"),
    [
        ((), {}, BUILT_THERE, "upstream", True),
        ((BUILT_THERE,), {}, BUILT_THERE, "upstream", False),
        ((BUILT_HERE,), {}, BUILT_HERE, "offline", False),
        ((BUILT_HERE, BUILT_THERE), {}, BUILT_THERE, "upstream", False),
        ((BUILT_HERE,), {"HW_IMAGE_REDIS": "mine:1"}, "mine:1", "named", True),
        (("mine:1",), {"HW_IMAGE_REDIS": "mine:1"}, "mine:1", "named", False),
        # Set but empty is unset: Compose's own `:-` reads it so.
        ((BUILT_HERE,), {"HW_IMAGE_REDIS": ""}, BUILT_HERE, "offline", False),
    ],
)
def test_which_image_is_chosen(
    present: tuple[str, ...], environment: dict[str, str], image: str, source: str, *, missing: bool
) -> None:
    configured = {**UPSTREAM, "redis": environment.get("HW_IMAGE_REDIS") or UPSTREAM["redis"]}
    choices = choose(configured, environment, present.__contains__)
    assert next(choice for choice in choices if choice.kind == "redis") == Choice("redis", image, source, missing)


@given(present=st.frozensets(st.sampled_from(EVERY_IMAGE)), named=st.frozensets(st.sampled_from(sorted(KINDS))))
def test_a_named_image_always_wins_and_an_offline_one_is_never_missing(
    present: frozenset[str], named: frozenset[str]
) -> None:
    configured = {kind: "mine:1" if kind in named else UPSTREAM[kind] for kind in KINDS}
    environment = {variable(kind): "mine:1" for kind in named}
    choices = choose(configured, environment, present.__contains__)
    assert [choice.kind for choice in choices] == list(KINDS)
    for choice in choices:
        assert (choice.source == "named") == (choice.kind in named)
        assert choice.missing == (choice.image not in present)
        assert not (choice.source == "offline" and choice.missing)
        # Never a download while something that would do is here.
        if choice.missing and choice.source == "upstream":
            assert offline_tag(choice.kind) not in present


def test_an_image_that_cannot_be_had_says_what_to_do() -> None:
    def refused(command: str) -> None:
        raise StackError(f"docker compose {command}: no route to the registry")

    absent = Choice("services", "heavyweather/services:dev", "upstream", missing=True)
    with pytest.raises(
        EnvironmentMissing, match=r"services:dev .*nox -s offline_images.*HW_IMAGE_SERVICES.*--stack local"
    ):
        supply(docker.DockerClient.__new__(docker.DockerClient), absent, refused)


@pytest.mark.parametrize(
    ("choice", "commands"),
    [
        (Choice("postgres", "p:1", "upstream", missing=False), []),
        (Choice("postgres", "p:1", "upstream", missing=True), ["pull postgres"]),
        # Present or not: an older build of the services would test code nobody is looking at.
        (Choice("services", "s:1", "upstream", missing=False), ["build auth api"]),
        (Choice("services", "s:1", "named", missing=False), []),
        (Choice("services", "s:1", "named", missing=True), ["pull auth api"]),
    ],
)
def test_only_what_is_missing_or_may_be_stale_is_fetched(choice: Choice, commands: list[str]) -> None:
    asked: list[str] = []
    supply(docker.DockerClient.__new__(docker.DockerClient), choice, asked.append)
    assert asked == commands


def test_parents_are_built_before_their_children() -> None:
    built: set[str] = set()
    for recipe in offline.RECIPES:
        assert recipe.parent is None or recipe.parent in built
        if recipe.dockerfile and recipe.parent:
            assert f"FROM {offline_tag(recipe.parent)}\n" in recipe.dockerfile.read_text(encoding="utf-8")
        built.add(recipe.kind)
    assert built > set(KINDS)


def test_the_hash_follows_every_input_and_the_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "ROOT", tmp_path)
    sources = tmp_path / "services"
    sources.mkdir()
    (sources / "api.py").write_text("a = 1\n", encoding="utf-8")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\n", encoding="utf-8")
    recipe = offline.Recipe("services", "python", dockerfile, (sources,))
    hashes = [offline.content_hash(recipe, "parent")]

    (sources / "notes.txt").write_text("not copied, so no reason to build\n", encoding="utf-8")
    assert offline.content_hash(recipe, "parent") == hashes[0]

    hashes.append(offline.content_hash(recipe, "another parent"))
    (sources / "api.py").write_text("a = 2\n", encoding="utf-8")
    hashes.append(offline.content_hash(recipe, "parent"))
    (sources / "api.py").rename(sources / "app.py")
    hashes.append(offline.content_hash(recipe, "parent"))
    dockerfile.write_text("FROM scratch\nUSER 1\n", encoding="utf-8")
    hashes.append(offline.content_hash(recipe, "parent"))
    assert len(set(hashes)) == len(hashes)


def test_the_compose_plugin_pins_the_version_that_its_builder_reads() -> None:
    pinned = (ROOT / "infra" / "images" / "compose_plugin" / "go.mod").read_text(encoding="utf-8")
    assert len(re.findall(r"docker/compose/v2 v\d+\.\d+\.\d+\b", pinned)) == 1


@pytest.fixture(scope="module")
def built(client: docker.DockerClient) -> docker.DockerClient:
    if not all(is_present(client, offline_tag(recipe.kind)) for recipe in offline.RECIPES):
        pytest.skip("the offline images are not built: nox -s offline_images")
    offline.build(client)
    return client


@pytest.mark.needs_docker
@pytest.mark.usefixtures("built")
class TestOfflineImages:
    def test_building_again_when_nothing_changed_builds_nothing(self, built: docker.DockerClient) -> None:
        assert offline.build(built) == {}

    def test_a_failed_build_says_what_failed(self, client: docker.DockerClient, tmp_path: Path) -> None:
        dockerfile = tmp_path / "Dockerfile"
        dockerfile.write_text(f"FROM {offline_tag('base')}\nRUN echo the disk is full; exit 7\n", encoding="utf-8")
        with pytest.raises(StackError, match=r"image heavyweather/doomed:offline.*\n(.*\n)*.*the disk is full"):
            offline._build(client, offline.Recipe("doomed", "base", dockerfile), "inputs")
        assert not is_present(client, "heavyweather/doomed:offline")

    def test_a_newer_build_removes_the_older(
        self, client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dockerfile = tmp_path / "Dockerfile"
        monkeypatch.setattr(offline, "ROOT", tmp_path)
        monkeypatch.setattr(offline, "RECIPES", (offline.Recipe("twice", None, dockerfile),))
        ids = []
        for text in ("first", "second"):
            dockerfile.write_text(f"FROM {offline_tag('base')}\nENV WHICH={text}\n", encoding="utf-8")
            assert set(offline.build(client)) == {"twice"}
            ids.append(client.images.get("heavyweather/twice:offline").id)
        client.images.remove("heavyweather/twice:offline")
        assert ids[0] != ids[1]
        assert not any(is_present(client, str(each)) for each in ids)

    @pytest.mark.parametrize("kind", ["postgres", "redis", "services"])
    def test_no_service_runs_as_root(self, client: docker.DockerClient, kind: str) -> None:
        assert client.images.get(offline_tag(kind)).attrs["Config"]["User"] not in {"", "root", "0"}

    def test_toxiproxy_is_the_pinned_version_and_static(self) -> None:
        command = ["docker", "run", "--rm", "--network", "none", offline_tag("toxiproxy"), "-version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert "2.12.0" in done.stdout

    def test_the_services_import_on_the_image_s_python(self) -> None:
        command = ["docker", "run", "--rm", "--network", "none", offline_tag("services")]
        program = "import services.api, services.auth, uvloop, hiredis"
        subprocess.run([*command, "python3", "-W", "error", "-c", program], capture_output=True, timeout=60, check=True)


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        offline.RECIPES[0].kind = "other"  # type: ignore[misc]  # what must not work
