"""Times filling the polygons of whole frames: this project's rasteriser beside Pillow, in one run.

    cargo build --release -p canet-data --example time_rasterise
    python3.11 -m venv env && env/bin/pip install pillow==11.3.0      (or another that is to be compared)
    env/bin/python benches/rasterise.py target/release/examples/time_rasterise FILE.json...

Both sides read all files first. `fill` paints the polygons of a frame into a new 8-bit image; `parse` reads the
JSON from memory as well. Turns are A B A B ..., Pillow, then each rule on one thread, then on two; a turn is
about a third of a second, the ratio is the median of the rounds' ratios. With Pillow of a modelled family, the
masks are compared first. What else the machine does disturbs the times: its load is printed, and beside the ratio
of wall times stands that of processor times, which is disturbed less.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import time

import PIL
from PIL import Image, ImageDraw

RULES = ["pillow-6", "pillow-11", "cityscapes", "centre"]


def painted(frame):
    """What a frame's fill needs: objects that the official tool paints, with their values."""
    objects = [o for o in frame["objects"] if not o.get("deleted") and len(o["polygon"]) > 2]
    polygons = [[tuple(point) for point in o["polygon"]] for o in objects]
    return frame["imgWidth"], frame["imgHeight"], polygons


def fill(width, height, polygons):
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    for number, points in enumerate(polygons):
        draw.polygon(points, fill=number % 251 + 1)
    return image


def seconds(work, items):
    """Wall and processor seconds a frame."""
    begin, processor, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < 0.3:
        for item in items:
            work(item)
        count += len(items)
    return (time.perf_counter() - begin) / count, (time.process_time() - processor) / count


class Ours:
    def __init__(self, program, threads, files):
        self.process = subprocess.Popen([program, str(threads), *files], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def processor(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def seconds(self, question):
        """Wall and processor seconds a frame."""
        before = self.processor()
        wall, count = self.ask(question)
        return float(wall), (self.processor() - before) / int(count)


def family():
    version = tuple(int(part) for part in PIL.__version__.split(".")[:2])
    return "pillow-6" if version <= (6, 2) else "pillow-11" if version >= (11, 3) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    texts = [open(path, "rb").read() for path in arguments.files]
    frames = [painted(json.loads(text)) for text in texts]
    ours = {threads: Ours(arguments.program, threads, arguments.files) for threads in (1, 2)}
    if family():
        pillow = [hashlib.sha256(fill(*frame).tobytes()).hexdigest() for frame in frames]
        same = pillow == ours[1].ask(f"hash {family()}")
        print(f"masks of Pillow and {family()}: {'the same' if same else 'DIFFERENT'}, {len(frames)} frames")
    print(f"Pillow {PIL.__version__}; load {os.getloadavg()[0]:.1f} at the beginning")
    works = {"fill": (lambda frame: fill(*frame), frames),
             "parse": (lambda text: fill(*painted(json.loads(text))), texts)}
    for what, (work, items) in works.items():
        times = {key: [] for key in ["Pillow"] + [(rule, n) for rule in RULES for n in ours]}
        for _ in range(arguments.rounds):
            times["Pillow"].append(seconds(work, items))
            for rule in RULES:
                for n, process in ours.items():
                    times[rule, n].append(process.seconds(f"{what} {rule}"))
        report(what, times)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def report(what, times):
    def ratio(a, b, clock):
        return statistics.median(x[clock] / y[clock] for x, y in zip(times[a], times[b]))

    def ms(key):
        return 1000 * statistics.median(wall for wall, _ in times[key])

    print(f"\n{what}: Pillow {ms('Pillow'):.3f} ms a frame\n")
    print("| rule | ms, 1 thread | x Pillow | in processor time | ms, 2 threads | 2 threads x 1 |")
    print("|---|---|---|---|---|---|")
    for rule in RULES:
        one, two = (rule, 1), (rule, 2)
        print(f"| {rule} | {ms(one):.3f} | {ratio('Pillow', one, 0):.2f} | {ratio('Pillow', one, 1):.2f} "
              f"| {ms(two):.3f} | {ratio(one, two, 0):.2f} |")


if __name__ == "__main__":
    main()
