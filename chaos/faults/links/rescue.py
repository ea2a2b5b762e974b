"""Gets a Toxiproxy server out of a wedge: a call that no answer came to, because a connection blocks the server.

A stalled reader blocks the toxics of its proxy, and then the list of proxies;
the proxy deleted and created again is free of it. An upstream that swallows
dials blocks the proxy itself, and deleting it would block all the others: only
the end of the dial, or of the server, helps then. Either way connections are
lost that the fault would have spared, and with the server every other toxic.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

from chaos.faults.links.server import restart_from
from chaos.faults.links.toxiproxy import LIMIT_S, Proxy, unanswered
from chaos.undo import Force
from harness.errors import ChaosError, HealFailed
from harness.wait import comes_true

# A heal has no time to lose: a server that is well answers in milliseconds.
PATIENCE_S = 3.0
_RESTARTED_S = 10.0


def proxy_of(args: Mapping[str, object], *, limit_s: float = LIMIT_S) -> Proxy:
    """Return the proxy that a step names: `api` (HOST:PORT of its server) and `proxy`."""
    host, _, port = str(args["api"]).rpartition(":")
    return Proxy(host, int(port), str(args["proxy"]), limit_s=limit_s)


def mend(args: Mapping[str, object], act: Callable[[Proxy], None], *, limit_s: float = PATIENCE_S) -> Force | None:
    """Act on the proxy of a step; where no answer comes in `limit_s`, get out of the wedge and act again.

    `listen` and `upstream` of `args` are what the proxy is created again from, and `restart` is how its server is
    started again (see `chaos.faults.links.server`); each may be missing. Returns the force it took. Raises ChaosError.
    """
    proxy = proxy_of(args, limit_s=limit_s)
    if (error := _stuck(act, proxy)) is None:
        return None
    tried = []
    if proxy.lists_in_time():
        # It was only slow, or what blocks it does so in private.
        if (error := _stuck(act, proxy)) is None:
            return None
        tried.append("blocked dialling its upstream")
    elif "listen" in args and "upstream" in args:
        try:
            proxy.make_anew(str(args["listen"]), str(args["upstream"]))
        except ChaosError as failure:
            tried.append(str(failure))
        else:
            act(proxy)
            how = f"{proxy.name} did not answer and was created again: its connections were cut"
            return Force(how, {"api": args["api"], "proxy": args["proxy"]})
    if not (restart := args.get("restart")):
        tried.append("how its server is started is not known")
        raise HealFailed(f"{error}; {'; '.join(tried)}") from error
    restart_from(cast("Mapping[str, Any]", restart)).carry_out()
    if not comes_true(proxy.lists_in_time, limit_s=_RESTARTED_S):
        raise HealFailed(f"{proxy.name}: its server was started again and lists no proxies")
    _see_that_it_is_there(proxy, args)
    act(proxy)
    how = f"{proxy.name} did not answer and its server was started again: all connections through it were cut"
    return Force(how, {"api": args["api"]})


def _stuck(act: Callable[[Proxy], None], proxy: Proxy) -> ChaosError | None:
    """Act, and return the error if no answer came. Raises ChaosError for any other."""
    try:
        act(proxy)
    except ChaosError as error:
        if unanswered(error):
            return error
        raise
    return None


def _see_that_it_is_there(proxy: Proxy, args: Mapping[str, object]) -> None:
    """Create the proxy where the server's own configuration did not."""
    if not proxy.exists() and "listen" in args and "upstream" in args:
        proxy.make_anew(str(args["listen"]), str(args["upstream"]))


_ANSWER_S = 1.0


class RemoveToxic:
    """`toxic.remove`: a place, and the name of a `toxic`."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Remove the toxic. Raises ChaosError."""
        return None if _gone(args) else mend(args, lambda proxy: proxy.remove(str(args["toxic"])))

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the toxic is still there. Raises ChaosError."""
        there = not _gone(args) and str(args["toxic"]) in proxy_of(args).state().toxics
        return f"{args['toxic']} is still there" if there else None


class EnableProxy:
    """`proxy.enable`: a place."""

    def carry_out(self, args: Mapping[str, object]) -> Force | None:
        """Have the proxy listen. Raises ChaosError."""
        return None if _gone(args) else mend(args, lambda proxy: proxy.set_enabled(True))

    def remaining(self, args: Mapping[str, object]) -> str | None:
        """Return what is wrong while the proxy is closed. Raises ChaosError."""
        return None if _gone(args) or proxy_of(args).state().enabled else "the proxy is closed"


def _gone(args: Mapping[str, object]) -> bool:
    """Whether nothing listens where the server did: it keeps everything in its memory, so all that went with it."""
    host, _, port = str(args["api"]).rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass  # there, but no better for it: the next call reports the error
    return False
