"""Programs that the measurements need, and how they are started and ended."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
BIN = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CORES = sorted(os.sched_getaffinity(0))
OAUTH2_PROXY = "v7.15.6"


def run(command, **more):
    return subprocess.run(command, cwd=ROOT, check=True, **more)


def need(program, package):
    """A program of the system: installed when that is allowed, named when it is not."""
    if shutil.which(program):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        run(["apt-get", "install", "-y", "-qq", package], stdout=subprocess.DEVNULL)
    if not shutil.which(program):
        sys.exit(f"{program} is missing: install the package {package}")


def build():
    """One package at a time: together they would share features, and this is about what is shipped."""
    for package in ("doorward", "doorward-bench", "idp"):
        run(["cargo", "build", "--quiet", "--release", "-p", package])


def oauth2_proxy():
    """The peer, built from its module; the module's checksum is checked against Go's public log."""
    program = CACHE / f"oauth2-proxy-{OAUTH2_PROXY}"
    if not program.exists():
        need("go", "golang-go")
        CACHE.mkdir(parents=True, exist_ok=True)
        module = f"github.com/oauth2-proxy/oauth2-proxy/v7@{OAUTH2_PROXY}"
        run(["go", "install", "-ldflags=-s -w", module], env=os.environ | {"GOBIN": str(CACHE)})
        (CACHE / "oauth2-proxy").rename(program)
    return program


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(command, health, log, core=None, **more):
    """A server that answers at `health`, until the block ends; on one core when asked."""
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    with open(log, "wb") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=out, **more)
    try:
        wait_for(health, process, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(address, process, log, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.005)
    sys.exit(f"{process.args} does not answer at {address}:\n{Path(log).read_text()[-2000:]}")
