"""deployment/kubernetes applied: Redis, two replicas, Traefik in front, a service with an IngressRoute and an Ingress."""

import json
import threading
import time

from browser import Browser, eventually
from site_tools import (
    HOME, HOST, IDENTITY, PROGRAM, Person, check, kubectl, objects, pods, replace, rolled_out, routed, run,
)


def live(run_folder):
    folder = run_folder / "apply-redis"
    kubectl("apply", "-k", folder)
    kubectl("--namespace", "doorward", "create", "secret", "tls", "apps-example-com", "--cert", run_folder / "site.pem", "--key", run_folder / "site.key")
    kubectl("apply", "-k", folder / "example")
    rolled_out("doorward", "statefulset/doorward-redis")
    rolled_out("doorward", "deployment/doorward")
    rolled_out("foo", "deployment/foo")
    check("the autoscaler makes two replicas of one", eventually(30, lambda: len(ready()) == 2), [pod["metadata"]["name"] for pod in pods("doorward")])
    ada = Person(run_folder)
    if not check("Traefik takes up the routes", routed(ada), "/foo/ or /rbac/ not within 30 s"):
        return
    routes()
    journey(run_folder, ada)
    not_reached(run_folder, ada)
    policy(run_folder, folder, ada)
    one_replica_less(ada)
    rollout(folder, ada)


def ready():
    return [pod for pod in pods("doorward") if any(state["type"] == "Ready" and state["status"] == "True" for state in pod["status"].get("conditions", []))]


def address(pod):
    return pod["status"]["podIP"]


def routes():
    """Both kinds, as Traefik itself tells."""
    routers = json.loads(Browser().get("http://198.18.2.1:8080/api/http/routers").text)
    asking = [router for router in routers if router.get("middlewares") and "/foo" in router["rule"]]
    for provider in ("kubernetescrd", "kubernetes"):
        mine = [router for router in asking if router["provider"] == provider]
        check(
            f"Traefik's {provider} provider protects foo with the middleware",
            mine and all(router["middlewares"] == ["doorward-doorward@kubernetescrd"] and router["status"] == "enabled" for router in mine), routers,
        )


def journey(run_folder, ada):
    challenge, page = ada.sign_in("ada@example.com", "/foo/?a=1&b=%20x")
    check("anonymous: sent to sign in", challenge.status == 302 and challenge.location.startswith(f"{HOME}/rbac/login?rd="), challenge)
    check("signed in: back at exactly that address, by the IngressRoute", page.url == f"{HOME}/foo/?a=1&b=%20x" and page.status == 200, page)
    check("foo greets her and believes the gateway's signature", "Ada Lovelace" in page.text and "Identity verified." in page.text, page.text)
    api = Person(run_folder).get(f"{HOME}/foo/api/whoami", PROGRAM)
    check("an anonymous program gets 401 in JSON, by the Ingress", api.status == 401 and json.loads(api.text)["login_url"].startswith(HOME), api)
    who = ada.whoami()
    check("she is known by the Ingress, too, with her roles", who.get("email") == "ada@example.com"
          and who.get("roles") == ["admin-role", "staff"] and who["assertion"]["verified"], who)
    for name in IDENTITY:
        echo = ada.get(f"{HOME}/foo/api/echo", {name: "forged"})
        page = ada.get(f"{HOME}/foo/", {name: "forged"})
        check(f"{name} of a client is replaced, by Ingress and IngressRoute", echo.status == page.status == 200
              and "forged" not in echo.text + page.text and name.lower() in echo.text.lower(), echo)
    for alias in ("X_Auth_User", "X.Auth.Roles"):
        refused = [ada.get(HOME + path, {alias: "forged"}).status for path in ("/foo/", "/foo/api/echo", "/rbac/")]
        check(f"{alias} is refused on every route", refused == [400, 400, 400], refused)
    echo = ada.get(f"{HOME}/foo/api/echo", {"X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": "/rbac/", "Cookie": "theirs=1"})
    check("forwarding headers of a client are not believed", echo.status == 200 and "evil.example" not in echo.text, echo)
    check("the service gets the client's other cookies, and not the session", "theirs=1" in echo.text
          and ada.cookie(HOST, "__Host-doorward") is not None and ada.cookie(HOST, "__Host-doorward") not in echo.text, echo)
    plain = Browser().get(f"http://{HOST}/foo/?x=1")
    check("plain http is sent to https", plain.status in (301, 308) and plain.location == f"{HOME}/foo/?x=1", plain)


def not_reached(run_folder, ada):
    for path in ("/auth", "/auth/nginx", "/authorize", "/metrics", "/readyz", "/healthz"):
        answer = ada.get(HOME + path)
        check(f"{path} is not routed", answer.status == 404, answer)
    question = {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "https", "X-Forwarded-Host": HOST, "X-Forwarded-Uri": "/foo/"}
    for pod in ready():
        answer = Browser().get(f"http://{address(pod)}:8000/auth", question)
        check("a decision asked for by another address than Traefik's is refused", answer.status == 403 and "untrusted_peer" in answer.text, answer)
    one, other = [Browser().get(f"http://{address(pod)}:8000/rbac/.well-known/jwks.json").text for pod in ready()]
    check("both replicas publish one set of keys", one == other, one + other)
    metrics = Browser().get(f"http://{address(ready()[0])}:9000/metrics")
    check("metrics are on their own port", metrics.status == 200 and "doorward_" in metrics.text, metrics)
    status = proc_status("doorward")
    check("the process is a user of no standing, without capabilities, and cannot gain any",
          status["Uid"].split()[0] == "65532" and int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1", status)


def proc_status(name):
    pid = run("pgrep", "-o", "-x", name).stdout.strip()
    with open(f"/proc/{pid}/status") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def restarts():
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in ready()}


def everywhere(holds):
    return eventually(20, lambda: all(holds(pod) for pod in ready()))


def policy_line(pod):
    lines = json.loads(Browser().get(f"http://{address(pod)}:8000/readyz").text)["checks"]
    return next(line for line in lines if line["name"] == "policy")


def policy(run_folder, folder, ada):
    """A change of the ConfigMap, as kubelet brings it: `..data` leads elsewhere, by one rename."""
    grace = Person(run_folder)
    grace.sign_in("grace@example.com")
    path = f"{HOME}/foo/api/echo/admin/x"
    check("the policy: Ada may, Grace may not", (ada.get(path).status, grace.get(path).status) == (200, 403), grace.get(path))
    before = restarts()
    seen = {pod["metadata"]["uid"]: stamp(run_folder, pod) for pod in ready()}
    replace(folder / "policy.yaml", ("endpoints:\n      - { path: \"/api/echo/admin/**\", roles: [admin-role] }", "endpoints:\n      - { path: \"/api/echo/admin/**\", roles: [admin-role, staff] }"))
    kubectl("apply", "-k", folder)
    check("a new policy is in force on both replicas", everywhere(lambda pod: policy_line(pod)["version"] == 2), [policy_line(pod) for pod in ready()])
    check("and Grace may", grace.get(path).status == 200, grace.get(path))
    check("by the symbolic link's swap, without a restart", restarts() == before and all(
        stamp(run_folder, pod) != seen[pod["metadata"]["uid"]] for pod in ready()), restarts())
    replace(folder / "policy.yaml", ("default: deny", "default: denny"))
    kubectl("apply", "-k", folder)
    check("a policy with a fault is refused, and told", everywhere(lambda pod: "refused" in policy_line(pod)["status"]), [policy_line(pod) for pod in ready()])
    check("the one before stays in force, and the replicas ready", grace.get(path).status == 200 and len(ready()) == 2, grace.get(path))
    replace(folder / "policy.yaml", ("default: denny", "default: deny"))
    kubectl("apply", "-k", folder)
    check("mended, it is taken again", everywhere(lambda pod: policy_line(pod)["status"] == "ok"), [policy_line(pod) for pod in ready()])


def stamp(run_folder, pod):
    return (run_folder / "pods" / pod["metadata"]["uid"] / "volumes/policy/..data").readlink()


def one_replica_less(ada):
    first = sorted(ready(), key=address)[0]["metadata"]["name"]
    kubectl("--namespace", "doorward", "delete", "pod", first, "--wait=false")
    check("a replica is gone: she is still signed in, and foo still believes the other's signature",
          eventually(50, lambda: first not in [pod["metadata"]["name"] for pod in objects("pods", "--namespace", "doorward")])
          and ada.whoami().get("assertion", {}).get("verified"), ada.whoami())
    check("another takes its place", eventually(30, lambda: len(ready()) == 2), [pod["metadata"]["name"] for pod in ready()])


def rollout(folder, ada):
    """A change of the configuration replaces the pods, while requests go on."""
    old = set(restarts())
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            try:
                answers.append(ada.get(f"{HOME}/foo/api/whoami", PROGRAM).status)
            except OSError as error:
                answers.append(error)
            time.sleep(0.05)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        replace(folder / "doorward.yaml", ("forward_auth:\n", "pages: { name: Example }\nforward_auth:\n"))
        kubectl("apply", "-k", folder)
        rolled_out("doorward", "deployment/doorward")
        gone = eventually(60, lambda: not old & {pod["metadata"]["uid"] for pod in objects("pods", "--namespace", "doorward")})
    finally:
        over.set()
        asking.join()
    wrong = [answer for answer in answers if answer != 200]
    check(f"a new configuration rolls out, and none of {len(answers)} requests meanwhile fails", gone and not wrong and len(answers) > 50, wrong)


def away(run_folder):
    kubectl("delete", "-k", run_folder / "apply-redis", "--wait=false")
