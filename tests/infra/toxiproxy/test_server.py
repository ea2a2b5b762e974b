import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import platformdirs
import pytest

from harness.errors import EnvironmentMissing, InputError, StackError
from infra.toxiproxy.server import build_tool, find_go, find_or_build, find_server, toxiproxy_version


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a machine with nothing: an empty PATH, an empty cache, an interpreter with nothing beside it."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.delenv("TOXIPROXY_SERVER", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda _: tmp_path / "cache")
    return path


def test_the_pinned_server_is_there_and_says_its_version() -> None:
    server = find_or_build()
    assert toxiproxy_version(server) == "2.12.0"
    assert find_or_build() == server


@pytest.mark.parametrize(("version", "fits"), [("2.12.0", 1), ("2.13.1", 1), ("2.9.0", 0), ("3.0.0", 0), ("git", 0)])
def test_one_on_path_is_taken_when_its_version_fits(bare: Path, version: str, fits: int) -> None:
    server = script(bare / "toxiproxy-server", f"echo toxiproxy-server version {version}")
    assert find_server() == (server if fits else None)


def test_the_variable_wins_and_is_checked(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(bare / "toxiproxy-server", "echo toxiproxy-server version 2.12.0")
    mine = script(tmp_path / "mine", "echo toxiproxy-server version 2.14.0")
    monkeypatch.setenv("TOXIPROXY_SERVER", str(mine))
    assert find_server() == mine
    monkeypatch.setenv("TOXIPROXY_SERVER", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"environment: TOXIPROXY_SERVER = .*nowhere.*2.12.0 or newer"):
        find_server()


def test_with_neither_server_nor_go_it_says_how_to_get_one(bare: Path) -> None:
    script(bare / "go", "echo go version go1.19.8 linux/amd64")  # too old counts as none
    with pytest.raises(EnvironmentMissing, match=r"toxiproxy-server.*Go 1.24.*requirements/go.txt"):
        find_or_build()


@pytest.mark.usefixtures("bare")
def test_a_go_beside_the_interpreter_counts(tmp_path: Path) -> None:
    go = script(tmp_path / "venv" / "bin" / "go", "echo go version go1.27.3 linux/amd64")
    assert Path(find_go()) == go


def test_a_build_is_whole_or_not_at_all(bare: Path, tmp_path: Path) -> None:
    script(bare / "go", '[ "$1" = version ] && echo go version go1.26 x/y && exit\necho no route to proxy >&2\nexit 1')
    with pytest.raises(StackError, match="no route to proxy"):
        build_tool("server", tmp_path / "out" / "toxiproxy")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_build_is_pinned_and_two_at_once_do_no_harm(bare: Path, tmp_path: Path) -> None:
    # A stand-in that writes down how it was called and makes a program that says so.
    script(
        bare / "go",
        '[ "$1" = version ] && echo go version go1.26 x/y && exit\n'
        'while [ "$1" != -o ]; do shift; done\n'
        "PATH=/bin:/usr/bin\n"
        'printf "#!/bin/sh\\necho version 2.12.0 $GOFLAGS $GOTOOLCHAIN $CGO_ENABLED $GOWORK $(echo *) $3" > "$2"\n'
        'chmod +x "$2"',
    )
    builds = [threading.Thread(target=find_or_build) for _ in range(2)]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    [cached] = (tmp_path / "cache").iterdir()
    said = subprocess.run([cached], capture_output=True, text=True, check=True).stdout
    assert said.split()[1:] == ["2.12.0", "-mod=readonly", "local", "0", "off", "go.mod", "go.sum", said.split()[-1]]
    assert said.split()[-1] == "github.com/Shopify/toxiproxy/v2/cmd/server"
    assert find_or_build() == cached


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go on PATH to build with")
def test_a_real_build_gives_a_real_program(tmp_path: Path) -> None:
    client = build_tool("cli", tmp_path / "toxiproxy-cli")
    said = subprocess.run([client, "--version"], capture_output=True, text=True, check=True).stdout
    assert "2.12.0" in said
    assert os.access(client, os.X_OK)
