"""deployment/helm/doorward installed: one replica with its store on a volume, then several on Redis."""

import json

from browser import eventually
from site_tools import CHART, HOME, HOST, PROVIDER, TRAEFIK_NETWORK, Person, check, kubectl, objects, pods, rolled_out, routed, run, secret_values

NAMESPACE = "gateway"
NAME = "gate-doorward"
MIDDLEWARE = f"{NAMESPACE}-doorward@kubernetescrd"


def helm(verb, values, *words):
    return run("helm", verb, "gate", CHART, "--namespace", NAMESPACE, "--wait", "--timeout", "120s", "--values", "-", *words, told=json.dumps(values))


def live(run_folder):
    kubectl("--namespace", NAMESPACE, "create", "secret", "tls", "apps-example-com", "--cert", run_folder / "site.pem", "--key", run_folder / "site.key")
    values = {
        "externalUrl": HOME, "trustedProxies": [TRAEFIK_NETWORK], "config": {"providers": [PROVIDER]},
        "roleMapping": {"/foo/api/echo/admin": ["admin-role"], "/foo": ["admin-role", "staff"]},
        "secrets": {"IDP_CLIENT_SECRET": secret_values()["IDP_CLIENT_SECRET"]},
        "ingressroute": {"tls": {"secretName": "apps-example-com"}},
    }
    done = helm("install", values)
    if not check("helm install --wait: one replica, its store on a volume", done.returncode == 0, done.stdout + done.stderr):
        return
    check("its notes say how to use the middleware", MIDDLEWARE in done.stdout and "TO DO" not in done.stdout, done.stdout)
    tested()
    protect(run_folder)
    ada = Person(run_folder)
    if not check("the routes lead to the release", eventually(30, lambda: asks_release(ada)) and routed(ada), "not within 30 s"):
        return
    ada.sign_in("ada@example.com")
    check("she signs in, and foo believes the gateway's signature", believed(ada), ada.whoami())
    restarted(run_folder, ada)
    mapping(run_folder, values, ada)
    several(run_folder, values)


def believed(person):
    """Within foo's own pause between two looks at keys that it does not know, and Traefik's between two looks at endpoints."""
    return eventually(20, lambda: person.whoami().get("assertion", {}).get("verified"))


def tested():
    done = run("helm", "test", "gate", "--namespace", NAMESPACE, "--timeout", "60s")
    check("helm test: Doorward is ready, by its Service's name", done.returncode == 0, done.stdout + done.stderr)


def protect(run_folder):
    """The example's routes, with the middleware of this release."""
    text = kubectl("kustomize", run_folder / "apply-redis/example")
    for old, new in (
        ("doorward-doorward@kubernetescrd", MIDDLEWARE), ("namespace: doorward\n", f"namespace: {NAMESPACE}\n"),
        ("doorward.doorward.svc", f"{NAME}.{NAMESPACE}.svc"),
        # Under the short form of the policy, which names no services, an assertion is made out to the host.
        ("        - name: FOO_ISSUER\n", f"        - name: FOO_AUDIENCE\n          value: {HOST}\n        - name: FOO_ISSUER\n"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    kubectl("apply", "-f", "-", told=text)
    rolled_out("foo", "deployment/foo")


def asks_release(person):
    routers = json.loads(person.get("http://198.18.2.1:8080/api/http/routers").text)
    mine = [router for router in routers if MIDDLEWARE in router.get("middlewares", [])]
    return len(mine) == 2 and all(router["status"] == "enabled" for router in mine)


def restarted(run_folder, ada):
    """The volume keeps store and generated keys, and fsGroup does not open the keys to others."""
    before = pods(NAMESPACE)[0]["metadata"]["uid"]
    kubectl("--namespace", NAMESPACE, "delete", "pod", "-l", "app.kubernetes.io/component=gateway", "--wait=false")
    anew = eventually(40, lambda: [pod for pod in pods(NAMESPACE) if pod["metadata"]["uid"] != before])
    check("the pod is replaced", anew, objects("pods", "--namespace", NAMESPACE))
    rolled_out(NAMESPACE, f"deployment/{NAME}")
    check("with the volume of the one before: she is still signed in", routed(Person(run_folder)) and ada.whoami().get("email") == "ada@example.com", ada.whoami())


def mapping(run_folder, values, ada):
    grace = Person(run_folder)
    grace.sign_in("grace@example.com")
    path = f"{HOME}/foo/api/echo/admin/x"
    check("roleMapping: Ada may, Grace may not", (ada.get(path).status, grace.get(path).status) == (200, 403), grace.get(path))
    before = [pod["metadata"]["uid"] for pod in pods(NAMESPACE)]
    values["roleMapping"]["/foo/api/echo/admin"] = ["staff"]
    done = helm("upgrade", values)
    check("helm upgrade with another roleMapping: Grace may, without a restart", done.returncode == 0
          and eventually(20, lambda: grace.get(path).status == 200) and [pod["metadata"]["uid"] for pod in pods(NAMESPACE)] == before, done.stderr)


def several(run_folder, values):
    literals = [f"--from-literal={name}={value}" for name, value in secret_values().items()]
    kubectl("--namespace", NAMESPACE, "create", "secret", "generic", "mine", *literals)
    done = helm("upgrade", {**values, "secrets": {}, "existingSecret": "mine", "replicaCount": 2, "redis": {"enabled": True}})
    check("helm upgrade --wait: two replicas on Redis, with a Secret made by kubectl", done.returncode == 0 and len(pods(NAMESPACE)) == 2, done.stderr)
    tested()
    # A sign-in with the pod of before would be one in its own store.
    alone = eventually(40, lambda: len(objects("pods", "--namespace", NAMESPACE, "-l", "app.kubernetes.io/component=gateway")) == 2)
    ada = Person(run_folder)
    check("Traefik takes up the two", alone and routed(ada), "not within 30 s")
    _, page = ada.sign_in("ada@example.com")
    check("she signs in there, and foo believes the new keys", believed(ada), f"{page} {ada.whoami()}")
