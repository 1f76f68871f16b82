"""deployment/compose as its operator and its users see it: what containers may, who reaches whom, a sign-in over TLS, and what is
noticed when replicas and Redis go away (nothing).

    production.py HTTP_PORT HTTPS_PORT COMPOSE_COMMAND…        in the folder with compose.yaml"""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from browser import Browser, Checks, eventually  # noqa: E402

PUBLISHED = dict(zip((80, 443), sys.argv[1:3]))
COMPOSE = sys.argv[3:]
AUTH, APP, ID = "https://auth.example.com", "https://app.example.com", "https://id.example.com"
COOKIE = "__Host-doorward"
REPLICAS = ("doorward-1", "doorward-2")
# Who is on which network: nobody else may be.
NETWORKS = {
    "edge": {"traefik"},
    "auth": {"traefik", *REPLICAS},
    "services": {"traefik", "app"},
    "store": {"redis", *REPLICAS},
    "identity": {"traefik", "idp"},
    "outside": set(REPLICAS),
}
USERS = {"traefik": {"0"}, "app": {"65532"}, "doorward-1": {"65532"}, "doorward-2": {"65532"}}
IDENTITY = ("X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Permissions",
            "X-Auth-Method", "X-Auth-Assertion")
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


def sign_in(account, path):
    """From the service through the provider's page to the answer at the address asked for."""
    browser = Browser()
    page = browser.follow(browser.get(APP + path))
    assert page.url.startswith(f"{ID}/realms/main/"), f"not the provider's page: {page}"
    form = next(form for form in page.forms() if ("account", account) in form["buttons"])
    return browser, browser.follow(browser.submit(page, form, {"account": account}))


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


# --- What containers are, and may.

known = {service: container(service) for service in {service for members in NETWORKS.values() for service in members}}
for service, inspected in sorted(known.items()):
    check(f"{service} is healthy", eventually(60, lambda: healthy(service)), inspected["State"])
    may = inspected["HostConfig"]
    limits = (may["Memory"], may["NanoCpus"], may["PidsLimit"]) if service != "idp" else (1,)
    check(f"{service}: a read-only root, no capabilities, no new privileges, and limits",
          may["ReadonlyRootfs"] and [cap.upper() for cap in may["CapDrop"] or []] == ["ALL"] and not may["CapAdd"]
          and any("no-new-privileges" in option for option in may["SecurityOpt"] or []) and not may["Privileged"]
          and all(limit and limit > 0 for limit in limits),
          {key: may[key] for key in ("ReadonlyRootfs", "CapDrop", "CapAdd", "SecurityOpt", "Memory", "NanoCpus", "PidsLimit")})
    uids = {line.split()[0] for line in run("docker", "top", inspected["Id"], "-eo", "uid,pid").splitlines()[1:]}
    wanted = USERS.get(service)
    check(f"{service} runs as {'user ' + ', '.join(wanted) if wanted else 'a user of its own'}",
          uids == wanted if wanted else uids and "0" not in uids, uids)
    check(f"{service} has no way to the engine", not any("docker.sock" in mount["Source"] for mount in inspected["Mounts"]))

members = {}
for service, inspected in known.items():
    for network in networks(inspected):
        members.setdefault(network, set()).add(service)
check("on each network are those who belong there", members == NETWORKS, members)
project = known["traefik"]["Config"]["Labels"]["com.docker.compose.project"]
internal = {name for name in NETWORKS if json.loads(run("docker", "network", "inspect", f"{project}_{name}"))[0]["Internal"]}
check("only Traefik's and Doorward's own way out lead out", internal == set(NETWORKS) - {"edge", "outside"}, internal)
published = {service for service, inspected in known.items() if inspected["HostConfig"]["PortBindings"]}
check("only Traefik has ports on this machine", published == {"traefik"}, published)

secrets = {path.name: path.read_text().strip() for path in Path("secrets").iterdir() if not path.name.endswith(".acl")}
said = "".join(json.dumps(inspected) for service, inspected in known.items() if service != "idp") + run(*COMPOSE, "logs", "--no-color")
leaks = [name for name, value in secrets.items() if value and value in said]
check("no secret is in a container's settings or in a log", not leaks and len(secrets) == 8, leaks or sorted(secrets))
check("secrets are in a folder that only its owner may enter", Path("secrets").stat().st_mode & 0o777 == 0o700)
before = {path.name: path.read_bytes() for path in Path("secrets").iterdir()}
run("./make-secrets")
check("make-secrets changes nothing that is there", before == {path.name: path.read_bytes() for path in Path("secrets").iterdir()})


# --- Who reaches Doorward.

def reaches(network, address, port):
    """Whether somebody on that network gets a connection."""
    ask = ["docker", "run", "--rm", "--network", f"{project}_{network}", "debian:bookworm-slim",
           "timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
    return subprocess.run(ask, capture_output=True).returncode == 0


at = networks(container("doorward-1"))
check("a probe on `auth` reaches Doorward, so probes can", reaches("auth", at["auth"], 8000))
for network in ("edge", "services", "identity"):
    reached = [name for name, address in at.items() if reaches(network, address, 8000)]
    check(f"from `{network}` nobody reaches Doorward by any of its addresses", reached == [], reached)
check("from `auth` nobody reaches Redis", not reaches("auth", networks(container("redis"))["store"], 6379))
question = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com", "X-Forwarded-Uri": "/"}
for replica in REPLICAS:
    answer = Browser().get(url_of(replica) + "/auth", question)
    check(f"{replica} answers no question of another address than Traefik's", answer.status == 403, answer)
redis = container("redis")["Id"]
check("Redis does nothing without a password", "NOPERM" in run("docker", "exec", redis, "redis-cli", "get", "x"))


# --- A person, a program, a spoofer.

stranger = Browser()
answer = stranger.get("http://app.example.com/a?b=c")
check("http leads to https", answer.status in (301, 308) and answer.location == f"{APP}/a?b=c", answer)
answer = stranger.get(f"{APP}/?a=1&b=%20x")
check("anonymous: sent to sign in, with the exact address to come back to", answer.status == 302
      and answer.location == f"{AUTH}/rbac/login?rd=" + urllib.parse.quote(f"{APP}/?a=1&b=%20x", safe=""), answer)
answer = stranger.get(f"{APP}/api/whoami", {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
check("anonymous program: 401 with the address of the sign-in", answer.status == 401 and AUTH in json.loads(answer.text)["login_url"], answer)

ada, page = sign_in("ada@example.com", "/?a=1&b=%20x")
check("signed in over TLS: back at exactly that address", page.url == f"{APP}/?a=1&b=%20x" and page.status == 200
      and "Ada Lovelace" in page.text, page)
seen = [whoami(ada) for _ in range(20)]
check("the service believes the signature of whichever replica answered", all(
      said.get("email") == "ada@example.com" and said["assertion"]["verified"] for said in seen), seen[0])
grace, _ = sign_in("grace@example.com", "/")
said = [who.get(f"{APP}/api/echo/admin/x").status for who in (ada, grace)]
check("the policy: an administrator may, somebody else may not", said == [200, 403], said)


def known_to(replica, browser, host):
    """What a replica says about the session in somebody's browser."""
    cookie = f"{COOKIE}={browser.cookie(host, COOKIE)}"
    answer = Browser().get(url_of(replica) + "/rbac/userinfo", {"Host": host, "X-Forwarded-Host": host, "Cookie": cookie, "Accept": "application/json"})
    return answer.status


said = {(replica, host): known_to(replica, ada, host) for replica in REPLICAS for host in ("auth.example.com", "app.example.com")}
check("her session is known to both replicas", set(said.values()) == {200}, said)
keys = {Browser().get(url_of(replica) + "/rbac/.well-known/jwks.json", {"Host": "auth.example.com"}).text for replica in REPLICAS}
check("both publish the same keys", len(keys) == 1 and '"kid"' in keys.pop(), keys)

for name in IDENTITY:
    echo = ada.get(f"{APP}/api/echo", {name: "forged"})
    check(f"{name} of a client is replaced", echo.status == 200 and "forged" not in echo.text and name.lower() in echo.text.lower(), echo)
answer = ada.get(f"{APP}/api/echo", {"X_Auth_User": "forged"})
check("an alias of an identity header is refused", answer.status == 400, answer)
spoofed = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "/rbac/", "X-Forwarded-Method": "HEAD", "X-Forwarded-For": "192.0.2.1", "Cookie": "theirs=1"}
echo = ada.get(f"{APP}/api/echo", spoofed)
check("forwarding headers of a client are not believed", echo.status == 200 and "evil.example" not in echo.text and "192.0.2.1" not in echo.text, echo)
check("the service gets the client's other cookies, and not the session",
      "theirs=1" in echo.text and ada.cookie("app.example.com", COOKIE) not in echo.text, echo)
for path in ("/auth", "/auth/nginx", "/authenticate", "/authorize", "/metrics", "/readyz", "/"):
    answer = ada.get(AUTH + path)
    check(f"{path} of Doorward is not routed", answer.status == 404, answer)
said = {path: stranger.get(ID + path).status for path in ("/admin/", "/realms/master/", "/control", "/metrics")}
check("Keycloak's administration is for nobody, the rest of it has no route",
      said == {"/admin/": 403, "/realms/master/": 403, "/control": 404, "/metrics": 404}, said)


# --- Replicas and Redis come and go.

with working(ada, "a replica is killed"):
    run("docker", "kill", container("doorward-1")["Id"])
    time.sleep(2)
alone = known_to("doorward-2", ada, "app.example.com")
check("the other one goes on", alone == 200, alone)
with working(ada, "it comes back"):
    run("docker", "start", container("doorward-1")["Id"])
    check("and is healthy", eventually(60, lambda: healthy("doorward-1")))
with working(ada, "replicas are exchanged, one after the other"):
    for replica in REPLICAS:
        old = container(replica)["Id"]
        run(*COMPOSE, "up", "-d", "--no-deps", "--force-recreate", replica)
        check(f"{replica} is a new one, and healthy", eventually(60, lambda: healthy(replica)) and container(replica)["Id"] != old)
said = [known_to(replica, ada, "app.example.com") for replica in REPLICAS]
check("her session is known to both of the new ones", said == [200, 200], said)

run("docker", "kill", container("redis")["Id"])
with working(ada, "Redis is away for a moment"):
    time.sleep(1)
run("docker", "start", container("redis")["Id"])
check("Redis is back", eventually(60, lambda: healthy("redis")))
said = eventually(30, lambda: [known_to(replica, ada, "app.example.com") for replica in REPLICAS] == [200, 200])
check("Redis was killed and is back: sessions are still there", said)
for replica in REPLICAS:
    run(*COMPOSE, "up", "-d", "--no-deps", "--force-recreate", replica)
    eventually(60, lambda: healthy(replica))
said = [known_to(replica, who, "app.example.com") for replica in REPLICAS for who in (ada, grace)]
check("also for replicas that had not known them", said == [200] * 4, said)

# --- Sessions end.

ask = ada.get(f"{AUTH}/rbac/logout")
out = ada.submit(ask, next(form for form in ask.forms() if "csrf" in form["fields"]))
out = ada.follow(out)
check("signed out, by way of the provider", out.status == 200 and any("/end_session" in url for url in ada.seen), out)
check("and no longer let in", eventually(5, lambda: {ada.get(f"{APP}/").status for _ in range(4)} == {302}), ada.get(f"{APP}/"))
sub = whoami(grace)["user_id"]
sent = json.loads(Browser().ask("POST", f"http://{networks(container('idp'))['identity']}:8080/control/backchannel",
                                json.dumps({"sub": sub}).encode(), {"Content-Type": "application/json"}).text)["sent"]
check("the provider's back-channel logout arrives by way of Traefik", [line.get("status") for line in sent] == [200], sent)
check("and is known to both replicas",
      eventually(5, lambda: [known_to(replica, grace, "app.example.com") for replica in REPLICAS] == [401, 401]))

for replica in REPLICAS:
    run("docker", "kill", container(replica)["Id"])
answer = grace.get(f"{APP}/")
check("with no Doorward left, nothing gets through", answer.status in (500, 502, 503), answer)

sys.exit(checks.failed)
