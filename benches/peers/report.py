"""Tables for people, from what `measure` returns."""


def cell(value, form):
    return "-" if value is None else form.format(value)


def table(measured, peaks):
    """Markdown: one row a backend. `peaks` has the machine's GFLOP/s by number of threads."""
    train = measured["results"] and all(
        r["first_loss"] is not None for r in measured["results"].values())
    last = "first loss" if train else "labels as eager"
    lines = [
        f"**{measured['title']}** ({measured['gflop']:.1f} GFLOP; "
        f"load of others {measured['other_load']:.0%}, stolen {measured['stolen']:.0%})",
        "",
        f"| backend | median ms | min ms | share of peak | ours / this | peak MiB | {last} |",
        "|---|---|---|---|---|---|---|",
    ]
    peak = peaks.get(measured["threads"])
    for name, r in measured["results"].items():
        share = measured["gflop"] / r["median_ms"] * 1e3 / peak if peak else None
        checked = cell(r["first_loss"], "{:.4f}") if train else cell(r["agreement"], "{:.3%}")
        lines.append(
            f"| {name} | {r['median_ms']:.1f} | {r['min_ms']:.1f} | {cell(share, '{:.0%}')} "
            f"| {cell(r['ours_to_this'], '{:.2f}')} | {r['peak_kib'] / 1024:.0f} | {checked} |")
    lines += [f"| {name} | failed | | | | | |" for name in measured["failed"]]
    return "\n".join(lines) + "\n"


def growth_table(rows):
    """Markdown: how time and memory grow with the input."""
    lines = ["| network | size | batch | threads | backend | median ms | ms / GFLOP | peak MiB |",
             "|---|---|---|---|---|---|---|---|"]
    for task, measured in rows:
        for name, r in measured["results"].items():
            lines.append(
                f"| {task.network} | {task.height}x{task.width} | {task.batch} | {task.threads} "
                f"| {name} | {r['median_ms']:.1f} | {r['median_ms'] / measured['gflop']:.2f} "
                f"| {r['peak_kib'] / 1024:.0f} |")
    return "\n".join(lines) + "\n"
