"""Puts links back: takes toxics off and has proxies listen again, on the server that the step names.

A step's place is `api` (HOST:PORT of the server) and `proxy`; with `listen`
and `upstream` a wedged proxy can be made anew, with `restart` its server
started again.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from chaos.undo import Force
from chaos.wedge import mend, proxy_of

_ANSWER_S = 1.0


class RemoveToxic:
    """`toxic.remove`: a place, and the name of a `toxic`."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Take the toxic off. Raises ChaosError."""
        return None if _gone(args) else mend(args, lambda proxy: proxy.remove(str(args["toxic"])))

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the toxic is still there. Raises ChaosError."""
        there = not _gone(args) and str(args["toxic"]) in proxy_of(args).state().toxics
        return f"{args['toxic']} is still there" if there else None


class EnableProxy:
    """`proxy.enable`: a place."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Have the proxy listen. Raises ChaosError."""
        return None if _gone(args) else mend(args, lambda proxy: proxy.set_enabled(True))

    def amiss(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the proxy is closed. Raises ChaosError."""
        return None if _gone(args) or proxy_of(args).state().enabled else "the proxy is closed"


def _gone(args: Mapping[str, object]) -> bool:
    """Whether nobody listens where the server did: it keeps everything in its memory, so all that went with it."""
    host, _, port = str(args["api"]).rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass  # there, but no better for it: whoever asks next says what is wrong
    return False
