"""Locust's fast user, run as a library: no web page and no printing, one user a connection.

Importing locust makes the standard library gevent's, so this can only be a
process of its own. Its users pace themselves; they begin one after the other,
so that they do not all send at once for ever after.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any
from urllib.parse import urlsplit

# Before all else: it patches what the others import.
import locust  # isort: skip
import gevent
from locust import FastHttpUser, constant_throughput
from locust.env import Environment

from benchmarks.contestants.task import DOCUMENT, Task, read_task


def users(task: Task) -> type[Any]:
    """Return the class of users that share the task's rate evenly."""
    parts = urlsplit(task.url)
    turns = itertools.count()

    def post(user: Any) -> None:
        user.client.post(parts.path, json=DOCUMENT).json()

    def take_turn(user: Any) -> None:
        del user
        gevent.sleep(next(turns) % task.connections / task.rate_per_s)

    members = {
        "host": f"{parts.scheme}://{parts.netloc}",
        "wait_time": constant_throughput(task.rate_per_s / task.connections),
        "tasks": [post],
        "on_start": take_turn,
    }
    return type("Poster", (FastHttpUser,), members)


def main() -> int:
    """Do the task and return 1 when a request failed."""
    task = read_task()
    environment = Environment(user_classes=[users(task)])
    runner = environment.create_local_runner()

    # Fifty users take most of a second to make, which is not to come out of the task's time.
    def begin(**_: object) -> None:
        gevent.spawn_later(task.for_s, runner.quit)

    environment.events.spawning_complete.add_listener(begin)
    runner.start(task.connections, spawn_rate=task.connections)
    runner.greenlet.join()
    errors = [error.to_name() for error in environment.stats.errors.values()]
    print(locust.__version__, *errors, sep="\n", file=sys.stderr)  # noqa: T201 - what a failed contestant says is repeated
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
