"""Runs one command and prints what it used: CPU seconds, peak RSS, wall seconds, exit status.

A program of its own, importing next to nothing, because the kernel starts a
child's peak RSS at that of the process that started it: from a big parent
every small contestant would look as big as the parent. What the command
prints goes to standard error.
"""

import json
import os
import signal
import sys
import time

# ru_maxrss is in bytes on macOS, in KiB elsewhere.
_RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def main(command: list[str]) -> int:
    """Run the command to its end and print one JSON object, of the command and all children it waited for."""
    # An interrupt is the command's to obey; this one waits for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began_s = time.perf_counter()
    to_stderr = (os.POSIX_SPAWN_DUP2, 2, 1)
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=[to_stderr], setsigdef=[signal.SIGINT])
    _, status, used = os.wait4(pid, 0)
    document = {
        "exit_status": os.waitstatus_to_exitcode(status),
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_rss_bytes": used.ru_maxrss * _RSS_UNIT_BYTES,
        "took_s": time.perf_counter() - began_s,
    }
    print(json.dumps(document))  # noqa: T201 - whoever runs it reads it there
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
