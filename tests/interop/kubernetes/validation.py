"""Every manifest before the API server, which looks at each field: what is right is taken, what is misspelt is refused."""

import json

from site_tools import CHART, PROVIDER, TRAEFIK_NETWORK, check, kubectl, manifests, run, secret_values

# A field of each kind, and a slip.
SLIPS = {
    "Deployment": ("readinessProbe:", "readinesProbe:"),
    "Service": ("targetPort:", "targetPorts:"),
    "NetworkPolicy": ("policyTypes:", "policyType:"),
    "HorizontalPodAutoscaler": ("minReplicas:", "minReplica:"),
    "PodDisruptionBudget": ("maxUnavailable: 1", "maxUnavailble: 1"),
    "StatefulSet": ("volumeClaimTemplates:", "volumeClaimTemplate:"),
    "PersistentVolumeClaim": ("accessModes:", "accessMode:"),
    "Middleware": ("authResponseHeaders:", "authResponseHeader:"),
    "IngressRoute": ("entryPoints:", "entryPoint:"),
    "ServiceMonitor": ("interval:", "intervall:"),
    "Ingress": ("ingressClassName:", "ingressClass:"),
}


def ask(text, *words):
    return run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-", *words, told=text)


def taken(what, text, *words):
    answer = ask(text, *words)
    kinds = sorted({line.split(".")[0].split("/")[0] for line in answer.stdout.splitlines()})
    # A warning is as good as a refusal: of pod security, or of a version that goes.
    check(f"the API server takes {what}: {', '.join(kinds)}", answer.returncode == 0 and "Warning" not in answer.stderr, answer.stderr)


def of_kind(text, kind):
    return next((part for part in text.split("\n---\n") if f"\nkind: {kind}\n" in f"\n{part}\n"), None)


def plain(run_folder):
    texts = []
    for component, monitoring in (("redis", False), ("single", True)):
        folder = manifests(run_folder, component, monitoring)
        text = kubectl("kustomize", folder)
        texts.append(text)
        taken(f"deployment/kubernetes with {component}{' and monitoring' if monitoring else ''}", text)
    by_hand(run_folder)
    example = kubectl("kustomize", run_folder / "apply-redis/example")
    taken("deployment/kubernetes/example", example)
    found = dict.fromkeys(SLIPS)
    for text in [*texts, example]:
        for kind in SLIPS:
            found[kind] = found[kind] or of_kind(text, kind)
    for kind, (right, wrong) in SLIPS.items():
        answer = ask(found[kind].replace(right, wrong)) if found[kind] and right in found[kind] else None
        refused = answer is not None and answer.returncode != 0 and "unknown field" in answer.stderr
        check(f"the API server refuses a {kind} with {wrong.rstrip(': 1')}", refused, answer and answer.stdout + answer.stderr)


def by_hand(run_folder):
    """The Secret by kubectl, as docs/kubernetes.md shows it: the manifests then name it as it is."""
    folder = manifests(run_folder, "redis", copy="by-hand")
    text = (folder / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(text[: text.index("secretGenerator:")])
    taken("deployment/kubernetes with a Secret made by kubectl", built := kubectl("kustomize", folder))
    check("and its pods mount that Secret", "secretName: doorward\n" in built and "kind: Secret" not in built)
    made = kubectl("--namespace", "doorward", "create", "secret", "generic", "doorward", f"--from-env-file={folder}/.env", "--dry-run=server", "-o", "json")
    check("kubectl makes it from .env, a file for each line", sorted(json.loads(made)["data"]) == [
        "DOORWARD_SESSION_KEYS", "GOOGLE_CLIENT_SECRET", "PEPPER", "REDIS_PASSWORD"], made)


def chart(run_folder):
    lint = run("helm", "lint", "--strict", CHART)
    check("helm lint finds nothing", lint.returncode == 0, lint.stdout + lint.stderr)
    readme = run("python3", CHART.parents[2] / "tests/tools/chart_readme.py", "--check")
    check("the chart's README is that of its values", readme.returncode == 0, readme.stdout + readme.stderr)
    named = secret_values()
    provider = {"externalUrl": "https://apps.example.com", "trustedProxies": [TRAEFIK_NETWORK], "config": {"providers": [PROVIDER]},
                "roleMapping": {"/foo": ["staff"]}, "secrets": named}
    several = {**provider, "replicaCount": 3, "redis": {"enabled": True}}
    for what, values, kinds, absent in (
        ("its default values", {}, ["PersistentVolumeClaim", "type: Recreate", "kind: Middleware"], ["HorizontalPodAutoscaler", "PodDisruptionBudget", "StatefulSet"]),
        ("one replica and its store on a volume", provider, ["PersistentVolumeClaim", "type: Recreate", "kind: IngressRoute"], ["HorizontalPodAutoscaler", "PodDisruptionBudget"]),
        ("three replicas on Redis, everything switched on", {
            **several, "autoscaling": {"enabled": True}, "serviceMonitor": {"enabled": True},
            "ingress": {"enabled": True, "annotations": {"cert-manager.io/cluster-issuer": "x"}, "tls": [{"hosts": ["apps.example.com"], "secretName": "x"}]},
            "keycloak": {"url": "https://kc.example.com", "realm": "main", "audience": "doorward"},
            "networkPolicy": {"extraEgress": [{"ports": [{"port": 8080}]}]}, "tolerations": [{"operator": "Exists"}],
            "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "extraEnv": [{"name": "RUST_LOG", "value": "info"}],
            "extraVolumes": [{"name": "x", "emptyDir": {}}], "extraVolumeMounts": [{"name": "x", "mountPath": "/x"}],
        }, ["HorizontalPodAutoscaler", "PodDisruptionBudget", "StatefulSet", "ServiceMonitor", "kind: Ingress\n", "type: RollingUpdate"], ["kind: PersistentVolumeClaim", "type: Recreate"]),
        ("a Redis and a Secret that are there already", {
            **provider, "secrets": {}, "existingSecret": "mine", "replicaCount": 2, "redis": {"url": "rediss://redis.example.com:6379/0"}, "policy": {}},
            ["PodDisruptionBudget", "secretName: mine", "url: rediss://redis.example.com:6379/0"], ["StatefulSet", "PersistentVolumeClaim"]),
    ):
        done = template(values)
        missing = [kind for kind in kinds if kind not in done.stdout] + [kind for kind in absent if kind in done.stdout]
        if check(f"helm template with {what}", done.returncode == 0 and not missing, f"{missing} {done.stderr}"):
            taken(f"the chart with {what}", done.stdout, "--namespace", "gateway")
    forward = {"ingressroute": {"middleware": {"spec": {"forwardAuth": {"authResponseHeaders": ["X-Auth-User", "Cookie", "Authorization"]}}}}}
    for what, values, says in (
        ("several replicas on the embedded store", {"replicaCount": 2}, "needs a store that the replicas share"),
        ("an autoscaler on the embedded store", {"autoscaling": {"enabled": True}}, "needs a store that the replicas share"),
        ("Redis without the secrets that replicas share", {"redis": {"enabled": True}}, "DOORWARD_SESSION_KEYS is missing"),
        ("a middleware that lets an identity header through", forward, "lacks X-User-Id"),
        ("credentials stripped on one side alone", {"config": {"forward_auth": {"strip_credentials": False}}}, "services would get no cookie at all"),
        ("roleMapping and policy at once", {"roleMapping": {"/a": ["b"]}, "policy": {"default": "deny"}}, "keep one of the two"),
        ("a key of the configuration that the chart sets", {"config": {"server": {"drain": "1s"}}}, "config.server.drain is set by the chart"),
        ("a misspelt value", {"replicasCount": 2}, "replicasCount"),
        ("a misspelt value deep inside", {"ingressroute": {"middleware": {"spec": {"forwardAuth": {"authResponseHeader": []}}}}}, "authResponseHeader"),
        ("a value of the wrong kind", {"trustedProxies": "10.0.0.0/8"}, "trustedProxies"),
        ("an external URL with a path", {"externalUrl": "https://apps.example.com/rbac"}, "externalUrl"),
    ):
        done = template(values)
        check(f"the chart refuses {what}", done.returncode != 0 and says in done.stderr, done.stderr or done.stdout[:300])


def template(values):
    return run("helm", "template", "gate", CHART, "--namespace", "gateway", "--values", "-", told=json.dumps(values))
