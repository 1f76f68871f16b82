"""What the journey wants of a Keycloak: tokens, its admin interface, its sign-in page. Standard library only."""

import base64
import json
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from browser import Browser  # noqa: E402

REALM = "main"
# As deployment/keycloak/realm.json has them.
SECRET = "example-secret-change-me"


class Keycloak:
    """One Keycloak in development mode: whatever host it is asked by is the issuer's."""

    def __init__(self, port, log):
        self.port, self.log = port, Path(log)
        self.url = f"http://127.0.0.1:{port}"

    def tokens(self, realm=REALM, host="127.0.0.1", **fields):
        """An answer of the token endpoint."""
        url = f"http://{host}:{self.port}/realms/{realm}/protocol/openid-connect/token"
        answer = Browser().post(url, fields)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def of_person(self, name, client="app", **more):
        """All tokens of a person, by their password."""
        fields = {"grant_type": "password", "client_id": client, "username": name, "password": f"example-{name}", "scope": "openid"}
        return self.tokens(**{**fields, **more})

    def access(self, name, **more):
        return self.of_person(name, **more)["access_token"]

    def of_service(self, client="reports-job"):
        return self.tokens(grant_type="client_credentials", client_id=client, client_secret=SECRET)["access_token"]

    def of_master_realm(self):
        return self.tokens("master", grant_type="password", client_id="admin-cli", username="admin", password="admin")["access_token"]

    def admin(self, method, path, body=None):
        """A request to the realm's admin interface; its tokens live a minute, so each has its own."""
        sent = {"Authorization": f"Bearer {self.of_master_realm()}", "Content-Type": "application/json", "Accept": "application/json"}
        answer = Browser().ask(method, f"{self.url}/admin/realms/{REALM}{path}", body and json.dumps(body).encode(), sent)
        assert answer.status in (200, 201, 204), answer
        return json.loads(answer.body) if answer.body else None

    def user(self, name):
        return self.admin("GET", f"/users?exact=true&username={name}")[0]["id"]

    def sessions(self, name):
        return self.admin("GET", f"/users/{self.user(name)}/sessions")

    def client(self, name):
        return self.admin("GET", f"/clients?clientId={name}")[0]

    def allow_passwords(self, client):
        """The client may ask for tokens by password from now on."""
        found = self.client(client)
        self.admin("PUT", f"/clients/{found['id']}", {**found, "directAccessGrantsEnabled": True})

    def forget_role_mapper(self, client):
        """The client's ID tokens have no roles from now on, as those of a client that was made in the console."""
        found = self.client(client)
        mapper = next(mapper for mapper in found["protocolMappers"] if mapper["protocolMapper"] == "oidc-usermodel-realm-role-mapper")
        self.admin("DELETE", f"/clients/{found['id']}/protocol-mappers/models/{mapper['id']}")

    def rotate(self):
        """A new key signs from now on. Returns the provider of the one before, whose key is still published."""
        keys = self.admin("GET", "/keys")
        before = next(key for key in keys["keys"] if key["kid"] == keys["active"]["RS256"])
        old = self.admin("GET", f"/components/{before['providerId']}")
        self.admin("POST", "/components", {
            "name": "rotated", "providerId": "rsa-generated", "providerType": old["providerType"], "parentId": old["parentId"],
            "config": {"priority": [str(before["providerPriority"] + 100)], "keySize": ["2048"], "algorithm": ["RS256"]},
        })
        return old

    def disable(self, provider):
        """Its key is published no more."""
        self.admin("PUT", f"/components/{provider['id']}", {**provider, "config": {**provider["config"], "enabled": ["false"], "active": ["false"]}})

    def key_fetches(self):
        """How often anybody fetched the realm's keys until now."""
        return self.log.read_text().count(f'"GET /realms/{REALM}/protocol/openid-connect/certs')


def sign_in(browser, page, name):
    """Fills Keycloak's form in and sends it. Returns its answer: the redirect to the callback, if all was right."""
    form = next(form for form in page.forms() if "username" in form["fields"])
    return browser.submit(page, form, {"username": name, "password": f"example-{name}"})


def sign_out(browser, url):
    """Signs out at Keycloak itself: its page asks, its button does it."""
    page = browser.get(f"{url}/realms/{REALM}/protocol/openid-connect/logout")
    return browser.follow(browser.submit(page, page.forms()[0], {"confirmLogout": "Logout"}))


def read(token):
    """Header and claims of a JWT; nothing is checked."""
    return [json.loads(base64.urlsafe_b64decode(part + "===")) for part in token.split(".")[:2]]


def write(header, claims, signature=""):
    """A JWT with these, and a signature of something else."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, signature])


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url or "").query))
