"""What the parts of the journey share: commands, the folder to apply, the site as a browser and a program see it."""

import base64
import json
import secrets
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))
from browser import Browser, Checks, eventually  # noqa: E402, F401

HOME = "https://apps.example.com"
HOST = "apps.example.com"
NODE = "198.18.0.1"
IDP = f"http://{NODE}:8082"
TRAEFIK_NETWORK = "198.18.2.0/24"
CHART = ROOT / "deployment/helm/doorward"
IDENTITY = ("X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Permissions",
            "X-Auth-Method", "X-Auth-Assertion")
PROGRAM = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
PROVIDER = {
    "id": "idp", "kind": "oidc", "issuer": IDP, "insecure_http": True, "client_id": "doorward",
    "client_secret_file": "/run/secrets/doorward/IDP_CLIENT_SECRET", "roles_claim": "roles",
}

checks = Checks()
check = checks.check


class Stop(Exception):
    """Nothing that follows makes sense."""


def run(*command, told=None, quiet=True):
    """The command's output and whether it went well."""
    done = subprocess.run([str(word) for word in command], input=told, capture_output=True, text=True)
    if not quiet and done.returncode:
        raise Stop(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def kubectl(*words, told=None):
    return run("kubectl", *words, told=told, quiet=False).stdout


def objects(*words):
    return json.loads(kubectl("get", *words, "-o", "json"))["items"]


def rolled_out(namespace, what, seconds=90):
    done = run("kubectl", "--namespace", namespace, "rollout", "status", what, f"--timeout={seconds}s")
    if not check(f"{what} in {namespace} is rolled out", done.returncode == 0, done.stdout + done.stderr):
        raise Stop(f"{what} does not start; the logs are in .cache/interop/kubernetes-logs")


def pods(namespace, component="gateway"):
    """Those that are not on their way out."""
    found = objects("pods", "--namespace", namespace, "-l", f"app.kubernetes.io/component={component}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def replace(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        if old not in text:
            raise Stop(f"{path.name} has no longer what is replaced for the test: {old!r}")
        text = text.replace(old, new)
    path.write_text(text)


def secret_values():
    return {
        "IDP_CLIENT_SECRET": "doorward-secret", "DOORWARD_SESSION_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(), "PEPPER": secrets.token_hex(32),
        "REDIS_PASSWORD": secrets.token_hex(32),
    }


def manifests(run_folder, component, monitoring=False, copy=None):
    """deployment/kubernetes as a user has it after the steps of docs/kubernetes.md, with the stand-in provider in Google's place."""
    folder = run_folder / f"apply-{copy or component}"
    shutil.copytree(ROOT / "deployment/kubernetes", folder, ignore=shutil.ignore_patterns(".env"))
    lines = (folder / ".env.example").read_text()
    for name, value in secret_values().items():
        name = name.replace("IDP_CLIENT_SECRET", "GOOGLE_CLIENT_SECRET")
        if f"\n{name}=\n" not in lines:
            raise Stop(f".env.example has no line {name}=")
        lines = lines.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    (folder / ".env").write_text(lines)
    replace(
        folder / "doorward.yaml", ("[10.244.0.0/16]", f"[{TRAEFIK_NETWORK}]"),
        ("    kind: google\n", f"    kind: oidc\n    issuer: {IDP}\n    insecure_http: true\n    roles_claim: roles\n"),
        ("1234.apps.googleusercontent.com", "doorward"),
    )
    if component == "single":
        replace(folder / "kustomization.yaml", ("  - redis  ", "  # - redis  "), ("  # - single ", "  - single "))
    if monitoring:
        replace(folder / "kustomization.yaml", ("  # - monitoring ", "  - monitoring "))
    return folder


class Person(Browser):
    """A browser at the site; it knows the site's certificate."""

    def __init__(self, run_folder):
        super().__init__()
        self.tls = ssl.create_default_context(cafile=str(run_folder / "site.pem"))

    def sign_in(self, email, path="/foo/"):
        """From the service by way of the provider back to it. Returns the first answer and the last."""
        challenge = self.get(HOME + path)
        provider = self.get(challenge.location) if challenge.status == 302 else challenge
        if provider.status != 302 or not provider.location.startswith(IDP):
            return challenge, provider
        back = self.post(provider.location, {"account": email})
        return challenge, self.follow(back)

    def whoami(self):
        answer = self.get(f"{HOME}/foo/api/whoami", PROGRAM)
        return json.loads(answer.text) if answer.status == 200 else {"status": answer.status}


def routed(person):
    """Traefik takes up routes and certificates within its providers' throttle: 404, or a certificate of its own, until then."""
    def asked():
        try:
            return (person.get(f"{HOME}/foo/").status, person.get(f"{HOME}/rbac/.well-known/jwks.json").status) == (302, 200)
        except OSError:
            return False
    return eventually(30, asked)
