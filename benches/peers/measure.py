"""Asks the servers of one task in turn and sums up what they say."""

import statistics
from pathlib import Path

import numpy as np

import machine
from client import Server, ServerError, prepare, start_peer
from tasks import backends

OURS = "ours"
REFERENCE = "eager"  # label maps are compared with this one's


def start(task, prepared, work, ours, only):
    """All servers that start; why the others do not."""
    live, failed = {}, {}
    if ours:
        live[OURS] = Server(OURS, [ours], task, prepared["files"], work)
    for name, backend in backends(task).items():
        if only and name not in only:
            continue
        try:
            live[name] = start_peer(name, backend, task, prepared, work)
        except ServerError as error:
            failed[name] = str(error)
            print(f"  {error}", flush=True)
    return live, failed


def turn(server, count):
    """The median of `count` runs. One before them is not counted: another process had the caches,
    and the system may have taken pages of an idle one."""
    server.run()
    return statistics.median(server.run() for _ in range(count))


def each(live, failed, work):
    """`work` on every server that is alive; one that fails is left out from then on."""
    done = {}
    for name, server in list(live.items()):
        try:
            done[name] = work(server)
        except (ServerError, OSError) as error:
            failed[name] = str(error)
            print(f"  {error}", flush=True)
            del live[name]
    return done


def rounds(live, failed, count, seconds):
    """For each server, its time in each round: A B C, then C B A."""
    warm = each(live, failed, lambda server: min(server.run() for _ in range(2)))
    runs = {name: max(1, min(20, int(seconds * 1000 / ms))) for name, ms in warm.items()}
    times = {name: [] for name in live}
    for i in range(count):
        order = live if i % 2 == 0 else dict(reversed(live.items()))
        for name, ms in each(order, failed, lambda server: turn(server, runs[server.name])).items():
            times[name].append(ms)
        for name in failed:
            live.pop(name, None)
    return {name: times[name] for name in live}


def agreement(live, work):
    """The share of pixels that each server labels as PyTorch does."""
    maps = {}
    for name, server in live.items():
        path = Path(work).resolve() / f"{server.log.stem}.labels"
        server.ask(f"labels {path}", "ok")
        maps[name] = np.fromfile(path, np.uint8)
    reference = maps.get(REFERENCE)
    if reference is None:
        return {}
    return {name: float((ids == reference).mean()) for name, ids in maps.items()
            if ids.shape == reference.shape}


def measure(task, args):
    """One task: a dictionary for the JSON file."""
    print(task.title, flush=True)
    prepared = prepare(task, args.work)
    live, failed = start(task, prepared, args.work, args.ours, args.only)
    try:
        losses = {}
        if task.kind == "train":  # of the first step, when all have the same weights
            each(live, failed, lambda server: server.run())
            losses = each(live, failed, lambda server: float(server.ask("loss", "loss")))
        pids = [server.process.pid for server in live.values()]
        before = machine.ticks(pids)
        times = rounds(live, failed, args.rounds, args.seconds)
        disturbed = machine.disturbance(before, machine.ticks(pids))
        agree = agreement(live, args.work) if task.kind == "segment" else {}
        results = {name: {
            "version": server.version,
            "median_ms": statistics.median(times[name]),
            "min_ms": min(times[name]),
            "rounds_ms": times[name],
            "ours_to_this": ratio(times, name),
            "peak_kib": int(server.ask("peak", "kib")),
            "agreement": agree.get(name),
            "first_loss": losses.get(name),
        } for name, server in live.items()}
    finally:
        for server in live.values():
            if server.process.poll() is None:
                server.quit()
    return {"title": task.title, "threads": task.threads, "gflop": prepared["gflop"],
            **disturbed, "results": results, "failed": failed}


def ratio(times, name):
    """Our time over this one's: the median of the rounds, as both ran in the same weather."""
    if OURS not in times:
        return None
    return statistics.median(a / b for a, b in zip(times[OURS], times[name]))
