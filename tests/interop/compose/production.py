"""deployment/compose as its operator and its users see it: what containers may, who reaches whom, a sign-in over TLS, and what is
noticed when replicas and Redis go away (nothing).

    production.py HTTP_PORT HTTPS_PORT COMPOSE_COMMAND…        in the folder with compose.yaml"""

import json
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from place import (APP, AUTH, COMPOSE, COOKIE, ID, REPLICAS, Browser, check, check_container, checks, container, eventually, healthy,
                   known_to, networks, run, url_of, whoami, working)

# Who is on which network: nobody else may be.
NETWORKS = {
    "edge": {"traefik"},
    "auth": {"traefik", *REPLICAS},
    "services": {"traefik", "app"},
    "store": {"redis", *REPLICAS},
    "identity": {"traefik", "idp"},
    "outside": set(REPLICAS),
}
USERS = {"traefik": "0", "app": "65532", "doorward-1": "65532", "doorward-2": "65532", "idp": "65532"}
IDENTITY = ("X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Permissions",
            "X-Auth-Method", "X-Auth-Assertion")


def sign_in(account, path):
    """From the service through the provider's page to the answer at the address asked for."""
    browser = Browser()
    page = browser.follow(browser.get(APP + path))
    assert page.url.startswith(f"{ID}/realms/main/"), f"not the provider's page: {page}"
    form = next(form for form in page.forms() if ("account", account) in form["buttons"])
    return browser, browser.follow(browser.submit(page, form, {"account": account}))


# --- What containers are, and may.

known = {service: check_container(service, USERS.get(service), limited=service != "idp")
         for service in sorted({service for members in NETWORKS.values() for service in members})}
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
said = [run("docker", "exec", redis, "redis-cli", *who, "get", "x") for who in ([], ["--user", "health", "--pass", "x", "--no-auth-warning"])]
check("Redis does nothing without a password", "NOAUTH" in said[0] and "NOPERM" in said[1], said)


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


said = [known_to(replica, ada) for replica in REPLICAS]
check("her session is known to both replicas", said == [200, 200], said)
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
alone = known_to("doorward-2", ada)
check("the other one goes on", alone == 200, alone)
with working(ada, "it comes back"):
    run("docker", "start", container("doorward-1")["Id"])
    check("and is healthy", eventually(60, lambda: healthy("doorward-1")))
with working(ada, "replicas are exchanged, one after the other"):
    for replica in REPLICAS:
        old = container(replica)["Id"]
        run(*COMPOSE, "up", "-d", "--no-deps", "--force-recreate", replica)
        check(f"{replica} is a new one, and healthy", eventually(60, lambda: healthy(replica)) and container(replica)["Id"] != old)
said = [known_to(replica, ada) for replica in REPLICAS]
check("her session is known to both of the new ones", said == [200, 200], said)

run("docker", "kill", container("redis")["Id"])
with working(ada, "Redis is away, and Traefik's health checks know"):
    time.sleep(4)
run("docker", "start", container("redis")["Id"])
check("Redis is back", eventually(60, lambda: healthy("redis")))
said = eventually(30, lambda: [known_to(replica, ada) for replica in REPLICAS] == [200, 200])
check("Redis was killed and is back: sessions are still there", said)
for replica in REPLICAS:
    run(*COMPOSE, "up", "-d", "--no-deps", "--force-recreate", replica)
    eventually(60, lambda: healthy(replica))
said = [known_to(replica, who) for replica in REPLICAS for who in (ada, grace)]
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
      eventually(5, lambda: [known_to(replica, grace) for replica in REPLICAS] == [401, 401]))

for replica in REPLICAS:
    run("docker", "kill", container(replica)["Id"])
answer = grace.get(f"{APP}/")
check("with no Doorward left, nothing gets through", answer.status in (500, 502, 503), answer)

sys.exit(checks.failed)
