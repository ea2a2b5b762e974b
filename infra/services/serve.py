"""How a service runs: one process, one event loop, warnings to stderr, gone within seconds of SIGTERM."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import uvicorn
from starlette.types import ASGIApp

from .replies import BODY_LIMIT_BYTES
from .settings import Settings, SettingsError

S = TypeVar("S", bound=Settings)

# Open requests get this long after SIGTERM; with the closing of the pools, the process is gone within 3 s.
_GRACE_S = 2
# Beyond what pooled clients idle for, so that the client closes first and never writes into a closing connection.
_KEEPALIVE_S = 120


def serve(read_settings: Callable[[Mapping[str, str]], S], build: Callable[[S], ASGIApp]) -> None:
    """Serve until a signal. A setting that breaks a rule gives one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Its pool keeper logs a traceback for every failed connect; ours recovers the floor, and `/ready` says why not.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    uvicorn.run(
        build(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # "auto" takes uvloop where there is one; the others would pick up parsers that the requirements do not name.
        loop="auto",
        http="h11",
        ws="websockets-sansio",
        ws_max_size=BODY_LIMIT_BYTES,
        # 50 KiB a connection, and CPU for nothing on a loopback.
        ws_per_message_deflate=False,
        timeout_keep_alive=_KEEPALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
