"""`rag serve` in a process that says how it is whenever it reads a line: `service_process.py OPTIONS`.

The line `all` has it count its tasks, too, for which everything stands still for a moment.
"""

import asyncio
import gc
import json
import sys
import threading

import psutil

from rag.cli import main


def report() -> None:
    """A line of JSON for each line that is read."""
    process = psutil.Process()
    for line in sys.stdin:
        facts = {
            "threads": process.num_threads(),
            "handles": process.num_fds(),
            "cpu_s": round(sum(process.cpu_times()[:2]), 2),
            "mib": round(process.memory_info().rss / 2**20, 1),
        }
        if line == "all\n":
            gc.collect()
            tasks = [each for each in gc.get_objects() if isinstance(each, asyncio.Task) and not each.done()]
            facts["tasks"] = len(tasks)
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    threading.Thread(target=report, daemon=True).start()
    sys.argv = ["rag", "serve", *sys.argv[1:]]
    main()
