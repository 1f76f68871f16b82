"""deployment/compose with the profile `keycloak`: the realm that imports itself, a person made as the README says, a sign-in by
Keycloak's form, and its back-channel logout.

    production_keycloak.py HTTP_PORT HTTPS_PORT COMPOSE_COMMAND…        in the folder with compose.yaml"""

import json
import sys
from pathlib import Path

from place import APP, COMPOSE, ID, REPLICAS, Browser, check, check_container, checks, eventually, known_to, networks, run, whoami

for service in ("keycloak", "keycloak-db"):
    known = check_container(service)
    wanted = {"keycloak": {"identity", "keycloak-db"}, "keycloak-db": {"keycloak-db"}}[service]
    check(f"{service} is on its networks alone, and has no port on this machine",
          set(networks(known)) == wanted and not known["HostConfig"]["PortBindings"], networks(known))
    said = json.dumps(known) + run(*COMPOSE, "logs", "--no-color", service)
    leaks = [path.name for path in Path("secrets").iterdir() if (text := path.read_text().strip()) and text in said]
    check(f"no secret is in {service}'s settings or log", not leaks, leaks)

discovery = Browser().get(f"{ID}/realms/main/.well-known/openid-configuration")
check("the realm has imported itself, and calls itself by its public name",
      discovery.status == 200 and json.loads(discovery.text)["issuer"] == f"{ID}/realms/main", discovery)
said = {path: Browser().get(ID + path).status for path in ("/admin/", "/realms/master/", "/health", "/metrics", "/")}
check("its administration is for nobody, the rest has no route",
      said == {"/admin/": 403, "/realms/master/": 403, "/health": 404, "/metrics": 404, "/": 404}, said)


def inside(script):
    return run(*COMPOSE, "exec", "-T", "keycloak", "bash", "-c", script)


# The README's own lines.
lines = Path("README.md").read_text().split("docker compose exec keycloak bash -c '", 1)[1].split("'\n```", 1)[0]
inside(lines)
ada = Browser()
page = ada.follow(ada.get(f"{APP}/?a=1"))
check("the service leads to Keycloak's form", page.status == 200 and page.url.startswith(f"{ID}/realms/main/"), page)
page = ada.follow(ada.submit(page, page.forms()[0], {"username": "ada", "password": "first password"}))
check("the first password has to be changed", page.url.startswith(f"{ID}/") and "password-new" in page.text, page)
chosen = {"password-new": "a better password", "password-confirm": "a better password"}
back = ada.follow(ada.submit(page, page.forms()[0], chosen))
check("signed in by Keycloak: back at exactly that address", back.status == 200 and back.url == f"{APP}/?a=1", back)
said = whoami(ada)
check("the service is told who she is, with her role of the realm, signed",
      said.get("email") == "ada@example.com" and said["roles"] == ["admin-role"] and said["assertion"]["verified"], said)
said = [known_to(replica, ada) for replica in REPLICAS]
check("both replicas know her session", said == [200, 200], said)

admin = next(line for line in lines.splitlines() if "PATH=" in line) + "\n"
who = inside(f"{admin} kcadm.sh get users --config $KCADM_CONFIG -r main -q username=ada --fields id --format csv --noquotes").strip()
inside(f"{admin} kcadm.sh create users/{who}/logout --config $KCADM_CONFIG -r main")
said = eventually(10, lambda: [known_to(replica, ada) for replica in REPLICAS] == [401, 401])
check("signed out at Keycloak: the session is over at both replicas", said, [known_to(replica, ada) for replica in REPLICAS])
sys.exit(checks.failed)
