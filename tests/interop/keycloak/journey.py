"""Doorward beside a real Keycloak, with the files of deployment/keycloak.

    journey.py LOGS KEYCLOAK_PORT BY_REALM_PORT BY_DISCOVERY_PORT BROWSER_PORT

Three doorwards ask the same Keycloak: one is set up by KEYCLOAK_URL and KEYCLOAK_REALM alone, one by KEYCLOAK_DISCOVERY_URL
(with the host name `localhost`), one signs people in by browser too. The proxy is played by this program: it asks /auth as
Traefik would, from loopback. LOGS holds keycloak.log and each doorward's audit lines."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from keycloak import SECRET, Keycloak, query, read, sign_in, sign_out, write  # noqa: E402
from browser import Browser, Checks, eventually  # noqa: E402

LOGS = Path(sys.argv[1])
KEYCLOAK_PORT, *PORTS = (int(port) for port in sys.argv[2:])
REALM, DISCOVERY, BROWSER = zip(("realm", "discovery", "browser"), PORTS)
HOME = f"http://localhost:{BROWSER[1]}"
# An unknown `kid` has keys fetched again, at most once in this many seconds.
PAUSE = 30

keycloak = Keycloak(KEYCLOAK_PORT, LOGS / "keycloak.log")
checks = Checks()
check = checks.check


def auth(gateway, path, token=None, browser=None, **headers):
    """What the proxy is told about a request with this token, or of this browser."""
    name, port = gateway
    forwarded = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": f"localhost:{port}", "X-Forwarded-Uri": path}
    if token:
        forwarded["Authorization"] = f"Bearer {token}"
    return (browser or Browser()).get(f"http://localhost:{port}/auth", {**forwarded, **headers})


def reason(gateway, answer):
    """Why, as the audit log has it."""
    wanted = answer.header("X-Auth-Decision-Id")
    lines = (LOGS / f"keycloak-{gateway[0]}.audit").read_text
    find = lambda: next((line for line in map(json.loads, lines().splitlines()) if line.get("decision_id") == wanted), None)  # noqa: E731
    return (eventually(3, find) or {}).get("reason")


def statuses(gateway, paths, token=None):
    return {path: auth(gateway, path, token).status for path in paths}


def refused(what, gateway, token, why):
    answer = auth(gateway, "/api/v1/auditflow/reports", token)
    said = reason(gateway, answer)
    check(f"401, {what}: {said}", answer.status == 401 and why in (said or ""), answer)


# --- bearer tokens, by the role mapping

TABLE = {
    "ada (admin-role)": ("ada", {"/api/v1/admin": 200, "/api/v1/admin/users": 200, "/api/v1/auditflow": 200, "/v3/api-docs": 200}),
    "bob (auditflow-role)": ("bob", {"/api/v1/admin": 403, "/api/v1/auditflow": 200, "/api/v1/auditflow/7": 200, "/v3/api-docs": 200}),
    "carol (neither role)": ("carol", {"/api/v1/admin": 403, "/api/v1/auditflow": 403, "/v3/api-docs": 200}),
    "a service account (auditflow-role)": (None, {"/api/v1/admin": 403, "/api/v1/auditflow": 200, "/v3/api-docs": 200}),
    "nobody": ("", {"/api/v1/admin": 401, "/api/v1/auditflow": 401, "/v3/api-docs": 200}),
}
UNLISTED = {"/api/v1/other": 403, "/api/v1/administrator": 403, "/": 403}


def bearer_table(gateway, host):
    for who, (name, expected) in TABLE.items():
        token = None if name == "" else keycloak.access(name, host=host) if name else keycloak.of_service()
        expected = {**expected, **UNLISTED}
        said = statuses(gateway, expected, token)
        check(f"{gateway[0]}: {who} may go where the mapping says, and nowhere else", said == expected, said)


print("...  bearer tokens; set up by KEYCLOAK_URL, KEYCLOAK_REALM, KEYCLOAK_AUDIENCE and ROLE_MAPPING_FILE", flush=True)
bearer_table(REALM, "127.0.0.1")

ada_token = keycloak.access("ada")
allowed = auth(REALM, "/api/v1/admin", ada_token)
said = {name: allowed.header(name) for name in ("X-Auth-User", "X-User-Id", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Method")}
expected = {"X-Auth-User": "ada@example.com", "X-User-Id": read(ada_token)[1]["sub"], "X-Auth-Name": "Ada%20Admin",
            "X-Auth-Roles": "admin-role", "X-Auth-Method": "jwt"}
check("the service is told who she is, and of her roles those that the mapping names", said == expected, said)
job_token = keycloak.of_service()
allowed = auth(REALM, "/api/v1/auditflow", job_token)
said = {name: allowed.header(name) for name in ("X-Auth-User", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles")}
expected = {"X-Auth-User": read(job_token)[1]["sub"], "X-Auth-Email": "",
            "X-Auth-Name": "service-account-reports-job", "X-Auth-Roles": "auditflow-role"}
check("a service account has no e-mail: it is its sub", said == expected, said)

keycloak.allow_passwords("doorward")
header, claims = read(ada_token)
signature = ada_token.split(".")[2]
of_doorward = keycloak.of_person("bob", "doorward", client_secret=SECRET)
assert read(of_doorward["id_token"])[1]["aud"] == "doorward", "the ID token is not for the audience that is configured"
refused("an ID token for the same audience", REALM, of_doorward["id_token"], "another kind of token")
refused("a refresh token", REALM, of_doorward["refresh_token"], "")
refused("a token that a client without the audience mapper got", REALM, of_doorward["access_token"], "aud")
refused("an administrator's token of the master realm", REALM, keycloak.of_master_realm(), "no issuer that is configured")
_, bobs = read(keycloak.access("bob"))
bobs["realm_access"]["roles"].append("admin-role")
refused("a token with a role written into it", REALM, write(header, bobs, signature), "signature")
refused("a token with another's signature", REALM, ".".join([*keycloak.access("bob").split(".")[:2], signature]), "signature")
refused("a token without a signature", REALM, write({**header, "alg": "none"}, claims), "")
wrong = auth(REALM, "/v3/api-docs", write(header, bobs, signature))
check("a wrong token turns nobody away from what is public, and says nothing about anybody",
      wrong.status == 200 and wrong.header("X-Auth-User") == "" and wrong.header("X-Auth-Roles") == "", wrong)

# --- the issuer's host name

print("...  bearer tokens; set up by KEYCLOAK_DISCOVERY_URL, KEYCLOAK_AUDIENCE and ROLE_MAPPING_FILE, by the name localhost", flush=True)
for who in ("ada", "bob"):
    paths, token = TABLE[f"{who} ({'admin' if who == 'ada' else 'auditflow'}-role)"][1], keycloak.access(who, host="localhost")
    said = statuses(DISCOVERY, paths, token)
    check(f"discovery: {who}'s token, asked for by the same name, is believed", said == paths, said)
    assert read(token)[1]["iss"] != claims["iss"], "Keycloak's issuer does not follow the name it is asked by"
refused("a token asked for at 127.0.0.1, where the issuer is localhost", DISCOVERY, ada_token, "another scheme, host or port")
refused("a token asked for at localhost, where the issuer is 127.0.0.1", REALM, token, "another scheme, host or port")

# --- people by browser

print("...  sign-in by browser, sign-out at both ends", flush=True)


def arrive(browser, path):
    """From the proxy's 302 to the first page, or to the redirect back to what was asked for."""
    challenge = auth(BROWSER, path, browser=browser)
    assert challenge.status == 302, challenge
    return browser.follow(browser.get(challenge.location), until=HOME + path)


def sign_in_as(name):
    browser = Browser()
    path = "/api/v1/auditflow/reports?year=2026&q=a%20b"
    back = browser.follow(sign_in(browser, arrive(browser, path), name), until=HOME + path)
    assert back.location == HOME + path, f"{name} is not sent back to what was asked for: {back}"
    return browser


ada = Browser()
start = ada.get(auth(BROWSER, "/api/v1/admin?a=1", browser=ada).location)
asked = query(start.location)
check("the browser goes to Keycloak, with PKCE, state and nonce",
      start.status == 302 and start.location.startswith(f"{keycloak.url}/realms/main/protocol/openid-connect/auth?")
      and asked.get("code_challenge_method") == "S256" and asked.get("state") and asked.get("nonce"), start)
page = ada.follow(start)
wrong = ada.submit(page, page.forms()[0], {"username": "ada", "password": "wrong"})
check("a wrong password stays at Keycloak", wrong.status == 200 and wrong.url.startswith(keycloak.url), wrong)
back = ada.follow(sign_in(ada, wrong, "ada"), until=f"{HOME}/api")
check("signed in by Keycloak's form: back to exactly what was asked for", back.location == f"{HOME}/api/v1/admin?a=1", back)
allowed = auth(BROWSER, "/api/v1/admin", browser=ada)
said = {name: allowed.header(name) for name in ("X-Auth-User", "X-User-Id", "X-Auth-Roles", "X-Auth-Method")}
by_token = auth(BROWSER, "/api/v1/admin", ada_token)
expected = {"X-Auth-User": "ada@example.com", "X-User-Id": by_token.header("X-User-Id"), "X-Auth-Roles": "admin-role", "X-Auth-Method": "session"}
check("the session has the role of realm_access.roles, and is the same person as by bearer token",
      allowed.status == 200 and said == expected and by_token.header("X-Auth-Method") == "jwt", [said, by_token])
bob, carol = sign_in_as("bob"), sign_in_as("carol")
said = [auth(BROWSER, path, browser=who).status for who in (bob, carol) for path in ("/api/v1/admin", "/api/v1/auditflow")]
check("bob may use auditflow and not admin, carol neither", said == [403, 200, 403, 403], said)

kept = ada.cookie("localhost", "doorward")
ask = ada.get(f"{HOME}/rbac/logout")
out = ada.submit(ask, next(form for form in ask.forms() if "csrf" in form["fields"]))
check("signing out goes on to Keycloak, with the ID token as the hint",
      out.status == 303 and out.location.startswith(f"{keycloak.url}/realms/main/") and "id_token_hint=" in out.location, out)
done = ada.follow(out)
check("and comes back without a question", done.url.startswith(f"{HOME}/rbac/logout") and done.status == 200, done)
left = [session for session in keycloak.sessions("ada") if "doorward" in session["clients"].values()]
check("the session at Keycloak is gone, and so is the one here",
      left == [] and auth(BROWSER, "/api/v1/admin", browser=ada).status == 302
      and auth(BROWSER, "/api/v1/admin", browser=Browser(), Cookie=f"doorward={kept}").status == 302, left)
again = arrive(ada, "/api/v1/admin")
check("Keycloak asks who it is again", any("username" in form["fields"] for form in again.forms()), again)

sign_out(bob, keycloak.url)
gone = eventually(5, lambda: auth(BROWSER, "/api/v1/auditflow", browser=bob).status == 302)
program = auth(BROWSER, "/api/v1/auditflow", browser=bob, Accept="application/json")
check("bob signs out at Keycloak: its back channel ends the session here (302, and 401 for a script)", gone and program.status == 401, program)
check("and nobody else's", auth(BROWSER, "/api/v1/auditflow", browser=carol).status == 403, "carol's too")
keycloak.admin("POST", f"/users/{keycloak.user('carol')}/logout")
gone = eventually(5, lambda: auth(BROWSER, "/api/v1/auditflow", browser=carol).status == 302)
check("an administrator signs carol out at Keycloak: her session here ends", gone, "it goes on")

# --- keys

print(f"...  key rotation; waits for the pause of {PAUSE} s between fetches of keys", flush=True)
old_tokens = [keycloak.access("bob") for _ in range(3)]
began, fetched = time.monotonic(), keycloak.key_fetches()
assert fetched, "Keycloak's log does not tell who fetches keys"


def fetches_are_few():
    """One at once, and one for each pause that passed. The one doorward is asked alone here."""
    now, passed = keycloak.key_fetches() - fetched, time.monotonic() - began
    return now <= 1 + passed // PAUSE, f"{now} in {passed:.0f} s"


made_up = [auth(REALM, "/api/v1/auditflow", write({**header, "kid": f"made-up-{n}"}, claims, signature)).status for n in range(200)]
few, how_many = fetches_are_few()
check("200 tokens with made-up keys: all 401, and the keys are fetched once at most", set(made_up) == {401} and few, how_many)

old_key = keycloak.rotate()
new_token = keycloak.access("bob")
assert read(new_token)[0]["kid"] != read(old_tokens[0])[0]["kid"], "Keycloak signs with the old key"
accepted = eventually(PAUSE + 10, lambda: auth(REALM, "/api/v1/auditflow", new_token).status == 200)
few, how_many = fetches_are_few()
check("a token by the new key is believed without a restart, within the pause", accepted, f"not after {PAUSE + 10} s")
check("and the keys were fetched no oftener than the pause allows", few, how_many)
check("a token by the old key is believed while Keycloak publishes it", auth(REALM, "/api/v1/auditflow", old_tokens[0]).status == 200, "it is not")
bob = sign_in_as("bob")
check("a sign-in with an ID token by the new key waits for no pause", auth(BROWSER, "/api/v1/auditflow", browser=bob).status == 200, "401")
sign_out(bob, keycloak.url)
check("a logout token by the new key ends a session",
      eventually(5, lambda: auth(BROWSER, "/api/v1/auditflow", browser=bob).status == 302), "it goes on")

keycloak.disable(old_key)
fetched = keycloak.key_fetches()
stranger = write({**header, "kid": "made-up"}, claims, signature)
eventually(PAUSE + 10, lambda: auth(REALM, "/api/v1/auditflow", stranger) and keycloak.key_fetches() > fetched)
refused("a token by the old key once Keycloak has disabled it and the keys were fetched again", REALM, old_tokens[1], "publishes no such key")
check("tokens by the new key go on", auth(REALM, "/api/v1/auditflow", new_token).status == 200, "they do not")

# --- a client as Keycloak makes them

keycloak.forget_role_mapper("doorward")
ada = sign_in_as("ada")
roleless = auth(BROWSER, "/api/v1/admin", browser=ada)
log = (LOGS / "keycloak-browser.log").read_text
check("without the mapper a session has no roles, and the log says which claim is not there",
      roleless.status == 403 and eventually(3, lambda: "neither the ID token" in log() and "realm_access.roles" in log()), roleless)

sys.exit(checks.failed)
