#!/usr/bin/env python3
"""The demo: Traefik, doorward, the sample service and a stand-in provider on loopback, until Ctrl-C.

    make demo                       the stand-in provider; pick an account, there are no passwords
    PORT=9080 make demo             another port for the browser (default 8080, else the next free one)
    GOOGLE_CLIENT_ID=… GOOGLE_CLIENT_SECRET=… make demo
                                    Google instead; register http://localhost:8080/rbac/callback there

Everything it writes is in one temporary folder, which goes with it; .cache/ keeps Traefik.
"""

import ctypes
import os
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
START_LIMIT = 60  # seconds, for each program
STOP_LIMIT = 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Stop(Exception):
    """Asked to stop."""


class Failed(Exception):
    """Cannot go on; the message says why and what to do."""


class Program:
    """One running program, its log in a file."""

    def __init__(self, name, command, folder, environment):
        self.name, self.log = name, folder / f"{name}.log"
        with self.log.open("wb") as log:
            # A session of its own, so that Ctrl-C reaches this script alone and things stop in order.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=environment,
                start_new_session=True, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
            )

    def check(self):
        status = self.process.poll()
        if status is None:
            return
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise Failed(f"{self.name} {how}. The end of its log:\n{self.tail()}")

    def tail(self):
        lines = self.log.read_text(errors="replace").splitlines()[-20:]
        return "\n".join(f"    {line}" for line in lines) or "    (empty)"

    def wait_for(self, url):
        """Until `url` answers 200."""
        deadline = time.monotonic() + START_LIMIT
        last = "no answer"
        while time.monotonic() < deadline:
            self.check()
            try:
                with opener.open(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
                    last = f"status {answer.status}"
            except urllib.error.HTTPError as error:
                last = f"status {error.code}"
            except OSError as error:
                last = str(error)
            time.sleep(0.1)
        raise Failed(f"{self.name} is not healthy after {START_LIMIT} s ({url}: {last}). Its log:\n{self.tail()}")

    def ask_to_stop(self):
        if self.process.poll() is None:
            self.process.terminate()

    def stop(self):
        self.ask_to_stop()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# Loopback only: a proxy from the environment has no part in it.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def say(text):
    print(text, flush=True)


def is_free(port):
    """Whether both loopbacks can be listened on: browsers try either for `localhost`."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if family == socket.AF_INET or error.errno == 98:  # EADDRINUSE; a machine may have no IPv6
                return False
    return True


def choose_ports(names):
    """One free port each, from 8080 (or PORT) up."""
    wanted = os.environ.get("PORT", "")
    if wanted:
        if not wanted.isdigit() or not 0 < int(wanted) < 65536:
            raise Failed(f"PORT={wanted} is no port")
        if not is_free(int(wanted)):
            raise Failed(f"PORT={wanted} is taken by another program; choose another")
    first = int(wanted or 8080)
    candidates = (port for port in [*range(first, 65536), *range(1024, first)] if is_free(port))
    ports = {name: next(candidates) for name in names}
    if ports["PORT"] != first:
        say(f"  port {first} is taken; using {ports['PORT']}")
    return ports


def uses_google():
    known = [name for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET") if os.environ.get(name)]
    if len(known) == 1:
        raise Failed(f"only {known[0]} is set; Google needs GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET")
    return len(known) == 2


def clean_environment(google):
    """Without settings meant for another doorward, idp or foo."""
    ours = ("DOORWARD_", "IDP_", "FOO_", "TRAEFIK_", "GOOGLE_", "REDIS_", "KEYCLOAK_", "OTEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("ROLE_MAPPING_FILE", "PEPPER", "ADMIN_USER", "ADMIN_PASS", "TOKEN_TTL_SECONDS"):
        kept.pop(name, None)
    if google:
        kept |= {name: os.environ[name] for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET")}
    return kept


def run_tool(command, **options):
    """A tool and all that it starts: ended together if we are told to stop. Returns its output, where captured."""
    tool = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        output, _ = tool.communicate()
    except BaseException:
        os.killpg(tool.pid, signal.SIGTERM)
        tool.wait()
        raise
    if tool.returncode != 0:
        raise Failed(f"{Path(command[0]).name} failed; the reason is above")
    return output


def build():
    say("building (the first time takes some minutes)")
    run_tool([ROOT / "tests" / "tools" / "need", "cc=build-essential"])
    if not shutil.which("cargo"):
        raise Failed("cargo is missing: install a Rust toolchain from https://rustup.rs")
    run_tool(["cargo", "build", "--quiet", "--workspace", "--bins", "--locked"])
    say("  built")


def get_traefik():
    say("getting Traefik")
    found = run_tool([ROOT / "tests" / "tools" / "get_traefik.py"], stdout=subprocess.PIPE, text=True).strip()
    say(f"  {os.path.relpath(found)}")
    return found


def start(programs, folder, traefik, google):
    ports = choose_ports(["PORT", "DOORWARD", "FOO", "IDP", "OPS"])
    url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    site = f"http://localhost:{ports['PORT']}"
    values = {name: str(port) for name, port in ports.items()}
    values |= {"DATA": str(folder / "data"), "POLICY": str(HERE / "policy.yaml"), "ROUTES": str(folder / "routes.yaml")}
    for name in ("doorward.yaml", "traefik.yaml", "routes.yaml"):
        (folder / name).write_text(string.Template((HERE / name).read_text()).substitute(values))
    environment = clean_environment(google)

    def run(name, health, command, more=None):
        program = Program(name, command, folder, environment | (more or {}))
        programs.append(program)
        program.wait_for(health)
        say(f"  {name:9} healthy")

    say("starting")
    provider = {}
    if not google:
        run("idp", f"{url['IDP']}/healthz", [
            TARGET / "idp", "--listen", f"127.0.0.1:{ports['IDP']}", "--client-id", "demo",
            "--client-secret", "demo-secret", "--redirect-uri", site,
            "--backchannel-logout-uri", f"{url['DOORWARD']}/rbac/backchannel-logout",
        ])
        provider = {
            "KIND": "oidc", "LABEL": "the stand-in provider", "ISSUER": url["IDP"],
            "CLIENT_ID": "demo", "CLIENT_SECRET": "demo-secret", "ROLES_CLAIM": "roles",
        }
    run("doorward", f"{url['DOORWARD']}/healthz", [TARGET / "doorward", "serve", "--config", folder / "doorward.yaml"],
        {f"DOORWARD_PROVIDERS_IDP_{key}": value for key, value in provider.items()})
    run("foo", f"{url['FOO']}/healthz", [
        TARGET / "foo", "--listen", f"127.0.0.1:{ports['FOO']}", "--issuer", site,
        "--jwks-url", f"{url['DOORWARD']}/rbac/.well-known/jwks.json",
        "--authorize-url", f"{url['DOORWARD']}/authorize",
    ])
    run("traefik", f"{url['PORT']}/foo/public", [traefik, f"--configFile={folder / 'traefik.yaml'}"])

    who = "your Google account" if google else "Ada (may open /foo/admin), Grace (may not), or anybody"
    say(f"\nOpen  {site}/foo/\n")
    say(f"  sign in as  {who}")
    say(f"  for all     {site}/foo/public")
    say(f"  admins      {site}/foo/admin")
    say(f"  a button    {site}/foo/reports/7    (Ada may press it, Grace may not: foo asks the gateway)")
    say(f"  account     {site}/rbac/")
    say(f"  metrics     {url['OPS']}/metrics")
    say(f"  logs        {folder}")
    if google:
        say(f"  Google      must know the redirect URI {site}/rbac/callback")
    say("\nCtrl-C stops everything.")


def watch(programs):
    """Until told to stop, or a program ends by itself, or whoever started this is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        for program in programs:
            program.check()
        time.sleep(0.3)


def main():
    def asked(*_):
        raise Stop

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        signal.signal(number, asked)
    programs, status = [], 0
    folder = Path(tempfile.mkdtemp(prefix="doorward-demo-"))
    try:
        google = uses_google()
        build()
        start(programs, folder, get_traefik(), google)
        watch(programs)
    except Stop:
        say("\nstopping")
    except Failed as why:
        say(f"\n{why}")
        status = 1
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        for program in reversed(programs):
            program.ask_to_stop()
        for program in reversed(programs):
            program.stop()
        shutil.rmtree(folder, ignore_errors=True)
        say("nothing is left running")
    return status


if __name__ == "__main__":
    sys.exit(main())
