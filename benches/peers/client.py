"""Starts servers and asks them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tasks import KEEPING

HERE = Path(__file__).parent


def prepare(task, work):
    """The files of a task and its GFLOP, made in a process of its own."""
    command = [sys.executable, HERE / "prepare.py", "--work", work, "--task", task.kind,
               "--network", task.network, "--height", task.height, "--width", task.width,
               "--batch", task.batch]
    answer = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
    return json.loads(answer.stdout.splitlines()[-1])


class ServerError(Exception):
    pass


class Server:
    """A process that answers commands; `last_ms` is its newest time."""

    def __init__(self, name, program, task, files, work, environment=()):
        self.name = name
        command = [*program, "--task", task.kind, "--network", task.network,
                   "--height", task.height, "--width", task.width, "--batch", task.batch,
                   "--threads", task.threads, "--model", files["model"], "--input", files["input"]]
        if task.kind == "train":
            command += ["--targets", files["targets"], "--optimizer", task.optimizer]
        label = f"{task.kind}-{task.network}-{name}".replace(", ", "-").replace(" ", "-")
        self.log = Path(work) / f"{label}.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, env={**os.environ, **dict(environment)})
        self.version = self._answer("ready")

    def _answer(self, expected):
        line = self.process.stdout.readline()
        word, _, rest = line.strip().partition(" ")
        if word != expected:
            if line:
                self.process.kill()
            code = self.process.wait()
            raise ServerError(f"{self.name}: {line.strip()!r}, exit code {code}, see {self.log}")
        return rest

    def ask(self, command, expected):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer(expected)

    def run(self):
        return float(self.ask("run", "ms"))

    def quit(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.wait()


def start_peer(name, backend, task, prepared, work):
    """A peer's server. Compiled kernels are kept in the work folder."""
    program = [sys.executable, HERE / backend.script, "--engine", backend.engine]
    if "onnx" in prepared["files"]:
        program += ["--onnx", prepared["files"]["onnx"]]
    environment = {"TORCHINDUCTOR_CACHE_DIR": str(Path(work).resolve() / "inductor")}
    if backend.keeping:
        environment |= KEEPING
    return Server(name, program, task, prepared["files"], work, environment)
