"""The manifests and the chart, from `kubectl apply` to a person who is signed in.

    journey.py RUN PROGRAM=PATH…"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import applied  # noqa: E402
import installed  # noqa: E402
import validation  # noqa: E402
from site_tools import HERE, HOME, IDP, NODE, ROOT, Stop, check, checks, kubectl, rolled_out  # noqa: E402

run_folder = Path(sys.argv[1])
programs = dict(pair.split("=", 1) for pair in sys.argv[2:])


def traefik():
    """Traefik with the arguments that deployment/kubernetes/traefik-values.yaml gives its Helm chart."""
    values = (ROOT / "deployment/kubernetes/traefik-values.yaml").read_text()
    arguments = "".join(f"          {line}\n" for line in values.splitlines() if line.startswith("  - --"))
    assert "aliasHeadersStrategy" in arguments
    kubectl("apply", "-f", "-", told=(HERE / "traefik.yaml").read_text() + arguments)
    rolled_out("traefik", "deployment/traefik")


def main():
    with open(run_folder / "idp.log", "ab") as log:
        # Outside of the cluster, as Google is.
        subprocess.Popen([programs["idp"], "--listen", f"{NODE}:8082", "--public-url", IDP, "--redirect-uri", f"{HOME}/rbac"], stdout=log, stderr=log)
    for namespace in ("base/namespace.yaml", "example/foo.yaml"):
        kubectl("apply", "-f", ROOT / "deployment/kubernetes" / namespace, "-l", "pod-security.kubernetes.io/enforce=restricted")
    kubectl("create", "namespace", installed.NAMESPACE)
    kubectl("label", "namespace", installed.NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    traefik()
    validation.plain(run_folder)
    validation.chart(run_folder)
    applied.live(run_folder)
    applied.away(run_folder)
    installed.live(run_folder)
    notes = (run_folder / "node.log").read_text() if (run_folder / "node.log").exists() else ""
    bad = [line for line in notes.splitlines() if "KILLED" in line or "RESTARTED" in line]
    check("no pod restarted, and each ended within its grace", not bad, bad)


try:
    main()
except Stop as stop:
    check("the journey comes to its end", False, stop)
sys.exit(checks.failed)
