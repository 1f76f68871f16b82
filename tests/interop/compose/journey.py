"""The demo of deployment/docker-compose.yaml as its user sees it, and what its containers are allowed.

    journey.py PUBLIC_URL COMPOSE_COMMAND…"""

import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from browser import Browser, Checks, eventually  # noqa: E402

URL, *COMPOSE = sys.argv[1:]
HOST = urllib.parse.urlsplit(URL).hostname
OURS = ("doorward", "foo", "idp")
IDENTITY = ("X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Permissions",
            "X-Auth-Method", "X-Auth-Assertion")
checks = Checks()
check = checks.check


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def container(service):
    """What the engine knows about a service's container."""
    return json.loads(run("docker", "inspect", run(*COMPOSE, "ps", "-q", service).strip()))[0]


def healthy(service):
    return container(service)["State"].get("Health", {}).get("Status") == "healthy"


def inside(service, port):
    """Its address on the inside network, which this machine reaches and nothing routes to."""
    return f"http://{container(service)['NetworkSettings']['Networks']['doorward-inside']['IPAddress']}:{port}"


def sign_in(browser, account, path):
    """From the service through the provider's page to the answer at the address asked for."""
    page = browser.follow(browser.get(URL + path))
    assert page.url.startswith(f"{URL}/idp/authorize?"), f"not the provider's page: {page}"
    form = next(form for form in page.forms() if ("account", account) in form["buttons"])
    return browser.follow(browser.submit(page, form, {"account": account}))


# What the containers are, and may.
for service in ("traefik", *OURS):
    check(f"{service} is healthy", eventually(60, lambda: healthy(service)), container(service)["State"])
    may = container(service)["HostConfig"]
    check(
        f"{service} has a read-only root, no capabilities, and no way to new privileges",
        may["ReadonlyRootfs"] and [cap.upper() for cap in may["CapDrop"] or []] == ["ALL"] and not may["CapAdd"]
        and any("no-new-privileges" in option for option in may["SecurityOpt"] or []) and not may["Privileged"],
        {key: may[key] for key in ("ReadonlyRootfs", "CapDrop", "CapAdd", "SecurityOpt")},
    )
for service in OURS:
    identity = container(service)["Id"]
    uids = {line.split()[0] for line in run("docker", "top", identity, "-eo", "uid,pid").splitlines()[1:]}
    check(f"{service} runs as a user of no standing", uids == {"65532"}, uids)
    image = json.loads(run("docker", "image", "inspect", container(service)["Image"]))[0]
    labels = image["Config"]["Labels"] or {}
    check(f"{service}'s image says what it is", labels.get("org.opencontainers.image.title") == service
          and labels.get("org.opencontainers.image.licenses") == "Apache-2.0", labels)
    shell = subprocess.run(["docker", "exec", identity, "/bin/sh", "-c", "true"], capture_output=True)
    check(f"{service}'s image has no shell", shell.returncode != 0)

# Traefik takes up the labels within its provider's throttle.
stranger = Browser()
challenge = eventually(20, lambda: (lambda answer: answer if answer.status != 404 else None)(stranger.get(f"{URL}/foo/?a=1&b=%20x")))
check(
    "anonymous: sent to sign in, with the exact address to come back to",
    challenge and challenge.status == 302 and challenge.location
    == f"{URL}/rbac/login?rd=" + urllib.parse.quote(f"{URL}/foo/?a=1&b=%20x", safe=""),
    challenge,
)
api = stranger.get(f"{URL}/foo/api/whoami", {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
check("anonymous program: 401 with the address of the sign-in", api.status == 401 and json.loads(api.text)["login_url"].startswith(URL), api)

ada = Browser()
page = sign_in(ada, "ada@example.com", "/foo/?a=1&b=%20x")
check("signed in: back at exactly that address", page.url == f"{URL}/foo/?a=1&b=%20x" and page.status == 200, page)
check("foo greets her, and believes the gateway's signature", "Hello, I am service foo!" in page.text
      and "Ada Lovelace" in page.text and "Identity verified." in page.text, page.text)
whoami = json.loads(ada.get(f"{URL}/foo/api/whoami").text)
check("her e-mail and roles", whoami["email"] == "ada@example.com" and whoami["roles"] == ["admin-role", "staff"]
      and whoami["assertion"]["verified"], whoami)

for name in IDENTITY:
    echo = ada.get(f"{URL}/foo/api/echo", {name: "forged"})
    check(f"{name} of a client is replaced", echo.status == 200 and "forged" not in echo.text
          and name.lower() in echo.text.lower(), echo)
alias = ada.get(f"{URL}/foo/api/echo", {"X_Auth_User": "forged"})
check("an alias of an identity header is refused", alias.status == 400, alias)
echo = ada.get(f"{URL}/foo/api/echo", {"X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "/rbac/", "Cookie": "theirs=1"})
check("forwarding headers of a client are not believed", echo.status == 200 and "evil.example" not in echo.text, echo)
check("the service gets the client's other cookies, and not the session", "theirs=1" in echo.text
      and ada.cookie(HOST, "doorward") is not None and ada.cookie(HOST, "doorward") not in echo.text, echo)

grace = Browser()
sign_in(grace, "grace@example.com", "/foo/")
check("the policy: an administrator may", ada.get(f"{URL}/foo/api/echo/admin/x").status == 200)
refused = grace.get(f"{URL}/foo/api/echo/admin/x")
check("the policy: somebody else gets a page that says why", refused.status == 403 and "admin-role" in refused.text, refused)

# foo asks the gateway who may approve a report.
for person, name, may in ((ada, "Ada", True), (grace, "Grace", False)):
    report = json.loads(person.get(f"{URL}/foo/api/reports/7").text)
    check(f"{name} {'may' if may else 'may not'} approve a report, foo was told", report["may_approve"] is may, report)
    page = person.get(f"{URL}/foo/reports/7").text
    check("and her button says so", ('id="approve">' in page) is may and ('id="approve" disabled' in page) is not may, page)

# What must not be reached from outside.
for path in ("/auth", "/auth/nginx", "/authenticate", "/authorize", "/metrics", "/readyz", "/idp", "/control"):
    answer = ada.get(URL + path)
    check(f"{path} is not routed", answer.status == 404, answer)
question = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": HOST, "X-Forwarded-Uri": "/foo/"}
answer = Browser().get(inside("doorward", 8000) + "/auth", question)
check("a decision asked for by another address than Traefik's is refused", answer.status == 403, answer)
check("metrics are served inside", "doorward_" in Browser().get(inside("doorward", 9000) + "/metrics").text)

# The volume keeps sessions and keys.
run(*COMPOSE, "restart", "doorward")
check("doorward restarted: she is still signed in",
      eventually(30, lambda: ada.get(f"{URL}/foo/api/whoami").status == 200), ada.get(f"{URL}/foo/api/whoami"))

ask = ada.get(f"{URL}/rbac/logout")
form = next(form for form in ask.forms() if "csrf" in form["fields"])
out = ada.follow(ada.submit(ask, form))
check("signed out, by way of the provider", out.url.startswith(f"{URL}/rbac/logout") and out.status == 200
      and any("/idp/end_session" in url for url in ada.seen), out)
check("and no longer let in", ada.get(f"{URL}/foo/").status == 302)

# Google's client in deployment/.env: the stand-in is gone.
google = {**os.environ, "GOOGLE_CLIENT_ID": "1.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "not-a-real-one"}
run(*COMPOSE, "up", "-d", "doorward", env=google)


def providers():
    try:
        ready = json.loads(Browser().get(inside("doorward", 8000) + "/readyz").text)
    except OSError:
        return None
    return [line["name"] for line in ready["checks"] if line["name"].startswith("provider ")]


check("with Google's client id and secret, Google alone signs people in",
      eventually(30, providers) == ["provider google"], providers())

sys.exit(checks.failed)
