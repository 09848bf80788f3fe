"""Times steps on a GPU, whose work goes on after the call that asked for it has returned.

Events are recorded around blocks of many steps: an event between every two would cost a small
network more than its own arithmetic, and reading a clock would make the GPU wait.
"""

import contextlib
import signal
import time

import torch


class TooLong(BaseException):
    """No `Exception`, for compilers take those as a reason to try something else."""


@contextlib.contextmanager
def limit(seconds):
    """Gives up what takes longer. One call into C++ is not interrupted; compiling is Python."""

    def give_up(*_):
        raise TooLong(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def block(step, count, device):
    """Milliseconds a step, of `count` steps that nothing waits for in between."""
    if device == "cpu":
        start = time.perf_counter()
        for _ in range(count):
            step()
        return (time.perf_counter() - start) * 1e3 / count
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        step()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / count


def warm_up(step, device, seconds):
    """At least three steps, for libraries choose among their algorithms in the first ones and
    compilers compile; quick steps go on for a while, until the clocks are up."""
    start, steps = time.perf_counter(), 0
    while steps < 3 or time.perf_counter() - start < seconds:
        step()
        synchronize(device)
        steps += 1
    return time.perf_counter() - start


def rounds(step, device, count, seconds, deadline):
    """Milliseconds a step in each of `count` rounds, which take about `seconds` in all; fewer
    rounds if `deadline` (of `time.perf_counter`) passes. A step has been run before."""
    block(step, 1, device)
    steps = int(seconds * 1e3 / count / block(step, 2, device))
    steps = max(1, min(steps, 2000))
    times = []
    while len(times) < count and (not times or time.perf_counter() < deadline):
        times.append(block(step, steps, device))
    return times, steps
