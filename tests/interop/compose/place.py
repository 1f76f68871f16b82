"""What the journeys through deployment/compose share: the names and where they lead, containers, and somebody who works on.

The program that imports it is called with HTTP_PORT HTTPS_PORT COMPOSE_COMMAND…, in the folder with compose.yaml."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from browser import Browser, Checks, eventually  # noqa: E402

PUBLISHED = dict(zip((80, 443), sys.argv[1:3]))
COMPOSE = sys.argv[3:]
AUTH, APP, ID = "https://auth.example.com", "https://app.example.com", "https://id.example.com"
COOKIE = "__Host-doorward"
REPLICAS = ("doorward-1", "doorward-2")
checks = Checks()
check = checks.check
Browser.tls = ssl.create_default_context(cafile="authority.pem")

# The names lead to this machine, and their ports to those that Traefik was given here: what DNS and .env do elsewhere.
look_up = socket.getaddrinfo


def by_published_port(host, port, *more, **named):
    if str(host).endswith(".example.com"):
        host, port = "127.0.0.1", int(PUBLISHED[port])
    return look_up(host, port, *more, **named)


socket.getaddrinfo = by_published_port


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def container(service):
    """What the engine knows about a service's container."""
    return json.loads(run("docker", "inspect", run(*COMPOSE, "ps", "-q", service).strip()))[0]


def healthy(service):
    return container(service)["State"].get("Health", {}).get("Status") == "healthy"


def networks(known):
    """The networks of a container, by their names in compose.yaml, with its address there."""
    project = known["Config"]["Labels"]["com.docker.compose.project"]
    return {name.removeprefix(project + "_"): network["IPAddress"] for name, network in known["NetworkSettings"]["Networks"].items()}


def url_of(replica):
    """A replica's own address, which this machine reaches and nothing routes to."""
    return f"http://{networks(container(replica))['auth']}:8000"


def check_container(service, user=None, limited=True):
    """Healthy, and with no more rights than it needs. `user`: its number, where that is known."""
    known = container(service)
    check(f"{service} is healthy", eventually(120, lambda: healthy(service)), known["State"])
    may = known["HostConfig"]
    limits = (may["Memory"], may["NanoCpus"], may["PidsLimit"])
    check(f"{service}: a read-only root, no capabilities, no new privileges" + (", and limits" if limited else ""),
          may["ReadonlyRootfs"] and [cap.upper() for cap in may["CapDrop"] or []] == ["ALL"] and not may["CapAdd"]
          and any("no-new-privileges" in option for option in may["SecurityOpt"] or []) and not may["Privileged"]
          and (not limited or all(limit and limit > 0 for limit in limits)),
          {key: may[key] for key in ("ReadonlyRootfs", "CapDrop", "CapAdd", "SecurityOpt", "Memory", "NanoCpus", "PidsLimit")})
    uids = {line.split()[0] for line in run("docker", "top", known["Id"], "-eo", "uid,pid").splitlines()[1:]}
    check(f"{service} runs as user {user or 'of its own'}", uids == {user} if user else uids and "0" not in uids, uids)
    check(f"{service} has no way to the engine", not any("docker.sock" in mount["Source"] for mount in known["Mounts"]))
    return known


def whoami(browser):
    answer = browser.get(f"{APP}/api/whoami")
    return json.loads(answer.text) if answer.status == 200 else {"status": answer.status}


@contextlib.contextmanager
def working(browser, what):
    """Somebody goes on working meanwhile, and must not notice: every answer is theirs."""
    seen, over = [], threading.Event()

    def work():
        while not over.is_set():
            try:
                said = whoami(browser)
                seen.append("well" if said.get("email") == "ada@example.com" and said["assertion"]["verified"] else str(said))
            except OSError as error:
                seen.append(repr(error))
            time.sleep(0.02)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
        enough = len(seen) + 10
        eventually(10, lambda: len(seen) >= enough)
    finally:
        over.set()
        worker.join()
    ill = [answer for answer in seen if answer != "well"]
    check(f"{what}: nobody notices ({len(seen)} requests)", len(seen) > 20 and not ill, f"{len(ill)} of {len(seen)}: {ill[:3]}")


def known_to(replica, browser):
    """200 when that replica knows the session in somebody's browser, else 401."""
    host = AUTH.removeprefix("https://")
    answer = Browser().get(url_of(replica) + "/rbac/userinfo", {
        "Host": host, "Cookie": f"{COOKIE}={browser.cookie(host, COOKIE)}", "Accept": "application/json"})
    return answer.status
