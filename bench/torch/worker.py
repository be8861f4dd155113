"""PyTorch's side of `cargo xtask bench --against torch`.

Started as `worker.py THREADS wall|cpu` it answers lines `NAME SECONDS` on its input with `ok NANOSECONDS`, `missing`
or `error TEXT`; the line `version` with the version. Started as `worker.py THREADS wall|cpu once NAME TIMES` it runs a case so
many times and prints the CPU time since the process began and the most memory it held.
"""

import gc
import resource
import sys
import time

import torch

import cases
import sound  # noqa: F401, its cases are among the others then
import vision  # noqa: F401, as well

# Calls that are timed together take this long at least, so that the clock does not count.
LEAST = 50_000


def timed(work, seconds, now):
    """The median time of a call in nanoseconds, of calls for `seconds`, three at least."""
    start = time.perf_counter_ns()
    work()
    together = min(max(int(LEAST / max(time.perf_counter_ns() - start, 1)), 1), 1000)
    end = time.perf_counter() + seconds
    spent = []
    while len(spent) < 3 or (time.perf_counter() < end and len(spent) < 20_000):
        start = now()
        for _ in range(together):
            work()
        spent.append((now() - start) / together)
    return sorted(spent)[len(spent) // 2]


def make(name):
    torch.manual_seed(0)
    return cases.CASES[name]()


def serve(now):
    ready, work = None, None
    for line in sys.stdin:
        if line.strip() == "version":
            print(torch.__version__, flush=True)
            continue
        name, seconds = line.split()
        try:
            if ready != name:
                # What the last one worked on goes first.
                ready = work = None
                gc.collect()
                if name not in cases.CASES:
                    print("missing", flush=True)
                    continue
                ready, work = name, make(name)
            print("ok", timed(work, float(seconds), now), flush=True)
        except Exception as error:
            print("error", " ".join(str(error).split()), flush=True)


def once(name, times):
    work = make(name)
    for _ in range(times):
        work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(time.process_time_ns(), peak * (1 if sys.platform == "darwin" else 1024))


def main():
    threads, clock, *rest = sys.argv[1:]
    torch.set_num_threads(int(threads))
    if rest:
        once(rest[1], int(rest[2]))
    else:
        serve(time.process_time_ns if clock == "cpu" else time.perf_counter_ns)


main()
