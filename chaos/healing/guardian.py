"""The runner's end of the guardian: starts it before the first fault, renews its lease, and records what it did.

The guardian is a process of its own (`chaos.healing.guardian_process`), which heals when the
runner is gone by any means, or hangs. A runner that was taken for dead
and lives on must learn of it: what it measures from then on says nothing.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

from chaos.healing.actions import ACTIONS
from chaos.healing.guardian_process import ALIVE, READY
from chaos.healing.heal import INSIST_S, Healing, heal
from chaos.healing.ledger import FILE_NAME, read_ledger
from chaos.healing.lock import ledger_lock
from chaos.undo import Actions
from harness.errors import ChaosError, HealFailed
from harness.root import ROOT

LOG_NAME = "guardian.log"
RENEW_S = 2.0
# A busy machine may delay one renewal or two.
_LOST_AFTER = 3
# While it undoes what resists it does not answer; one that is silent for longer is stopped or stuck.
_SILENT_S = 30.0
_BEGIN_S = 30.0
_END_S = 40.0


class Guardian:
    """The runner's end of the pipe: starts the guardian of one run folder, and renews the lease until `close`."""

    def __init__(
        self, folder: Path, actions: Actions = ACTIONS, *, renew_s: float = RENEW_S, insist_s: float = INSIST_S
    ) -> None:
        """Start it once the ledger is begun, and wait until it watches. Raises ChaosError.

        `actions` are the runner's own, for `close`. The lease is renewed every `renew_s` seconds, and lost after three
        times as long; what resists is tried for `insist_s`.
        """
        self._insist_s = insist_s
        self._actions = actions
        self._ledger = folder.resolve() / FILE_NAME
        self._told: list[str] = []
        self._watches = False
        self._heard_s = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._process = self._start(folder / LOG_NAME, lease_s=_LOST_AFTER * renew_s)
        begun = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=(begun,), daemon=True)
        self._listener.start()
        threading.Thread(target=self._renew, args=(renew_s,), daemon=True).start()
        if not (begun.wait(_BEGIN_S) and self._watches):
            self._leave()
            raise ChaosError(f"the guardian did not begin to watch; see {folder / LOG_NAME}")

    def _start(self, log_path: Path, *, lease_s: float) -> subprocess.Popen[bytes]:
        try:
            with log_path.open("ab") as log:
                return subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "chaos.healing.guardian_process",
                        str(self._ledger),
                        str(lease_s),
                        str(self._insist_s),
                    ],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            raise ChaosError(f"the guardian cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise HealFailed when it has undone what was the runner's to undo, or can heal no more."""
        if self._told:
            raise HealFailed(f"the guardian {'; '.join(self._told)}")
        if (code := self._process.poll()) is not None:
            raise HealFailed(f"guardian exited ({_how(code)}): faults would not be undone if the runner died")
        if (silent_s := time.monotonic() - self._heard_s) > _SILENT_S:
            why = "faults would not be undone if the runner died"
            raise HealFailed(f"guardian has not answered for {silent_s:.0f} s: {why}")

    def close(self) -> list[str]:
        """End it in order, nothing left open; return a line for everything that only now was put back.

        Raises HealFailed when something resists; what a guardian that is gone cannot do is done here.
        """
        before = len(self._told)
        try:
            healing = self._heal()
        finally:
            self._leave()
        if healing.resisting and (left := read_ledger(self._ledger).open):
            raise HealFailed(f"{'; '.join(map(str, left))} left broken: {'; '.join(healing.resisting)}")
        return [*(f"put back {line}" for line in healing.put_back), *self._told[before:]]

    def _heal(self) -> Healing:
        """Heal here first: the runner can undo what no other process can."""
        if not self._ledger.exists():
            return Healing()
        with ledger_lock(self._ledger):
            left = read_ledger(self._ledger).open
            return heal(self._ledger, left, self._actions, by="runner", limit_s=self._insist_s) if left else Healing()

    def _leave(self) -> None:
        """Close the pipe and wait for the process, which then has nothing to wait for."""
        self._ended.set()
        with self._lock, contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(_END_S)

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it was started with a pipe
        return self._process.stdin

    def _renew(self, every_s: float) -> None:
        while not self._ended.wait(every_s):
            try:
                with self._lock:
                    self._pipe.write(b"\n")
                    self._pipe.flush()
            except (OSError, ValueError):
                return  # one of the two is gone; `check` says which

    def _listen(self, begun: threading.Event) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker, as above
        with self._process.stdout as words:
            for line in words:
                word = line.decode(errors="replace").strip()
                self._heard_s = time.monotonic()
                if word not in (READY, ALIVE):
                    self._told.append(word)
                self._watches = self._watches or word == READY
                begun.set()
        begun.set()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
