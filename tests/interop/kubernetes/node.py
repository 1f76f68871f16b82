"""The one node of the test's cluster: what scheduler, kubelet, volumes' provisioner and DNS do elsewhere, as far as the
manifests of this project ask for it. Pods are processes of this machine (pod.py), and their probes, ConfigMaps, Secrets, claims and
ends are treated as kubelet treats them. Runs until it is ended.

    node.py API_PORT TOKEN FOLDER PROGRAM=PATH…"""

import sys
import time
from pathlib import Path

from api import Api, Refused
from pod import NODE, Pod, quick

# What an image starts when its manifest does not say: the entry point and its arguments.
IMAGES = {
    "doorward": ("/usr/local/bin/doorward", ["serve"]),
    "foo": ("/usr/local/bin/foo", []),
    "traefik": ("/usr/local/bin/traefik", []),
    "redis": ("redis-server", []),
}


class Node:
    def __init__(self, port, token, folder, programs):
        self.port, self.folder = port, Path(folder)
        self.api = Api(f"https://{NODE}:{port}", str(self.folder / "tls.crt"), token)
        # The programs are seen by every pod, where their images have them.
        self.files = {Path(path).resolve(): f"/run/programs/{name}" for name, path in programs.items()}
        self.pods, self.hosts, self.count = {}, {}, {}
        (self.folder / "logs").mkdir(exist_ok=True)
        (self.folder / "claims").mkdir(exist_ok=True)

    def program(self, image):
        name = image.rsplit("/", 1)[-1].split("@")[0].split(":")[0].removeprefix("doorward-")
        entry, arguments = IMAGES[name]
        return entry.replace("/usr/local/bin/", "/run/programs/"), arguments

    def note(self, line):
        with open(self.folder / "node.log", "a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {line}\n")

    def run(self):
        self.api.create("/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "local", "labels": {"kubernetes.io/hostname": "local"}},
        })
        while True:
            began = time.monotonic()
            try:
                self.claims()
                self.names()
                self.round()
            except (OSError, Refused) as error:
                self.note(f"{type(error).__name__}: {error}")
            time.sleep(max(0.05, 0.25 - (time.monotonic() - began)))

    def round(self):
        found = {pod["metadata"]["uid"]: pod for pod in self.api.items("/api/v1/pods")}
        for uid, manifest in found.items():
            if uid not in self.pods and manifest["status"].get("phase") == "Pending" and "deletionTimestamp" not in manifest["metadata"]:
                self.take(manifest)
        for uid, pod in list(self.pods.items()):
            manifest = found.get(uid)
            if manifest is None or "deletionTimestamp" in manifest["metadata"]:
                pod.end(manifest["metadata"]["deletionGracePeriodSeconds"] if manifest else 0)
            if pod.process is None and pod.asked_to_end is None:
                pod.begin()
            if pod.process is not None:
                pod.look()
            if pod.asked_to_end is not None and pod.gone:
                pod.api.delete(pod.link, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})
                quick("ip", "link", "delete", f"v{pod.address.replace('.', '')[5:]}", check=False)
                del self.pods[uid]
        for uid, manifest in found.items():
            if uid not in self.pods and "deletionTimestamp" in manifest["metadata"]:
                meta = manifest["metadata"]
                self.api.delete(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}", {"gracePeriodSeconds": 0})

    def take(self, manifest):
        """Binds a pod to this node, as the scheduler does, and gives it an address: Traefik's pods from a network of their own."""
        meta = manifest["metadata"]
        if not manifest["spec"].get("nodeName"):
            self.api.create(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/binding", {
                "apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": {"apiVersion": "v1", "kind": "Node", "name": "local"},
            })
        third = 2 if meta["namespace"] == "traefik" else 1
        self.count[third] = self.count.get(third, 0) + 1
        self.pods[meta["uid"]] = Pod(self.api, self, manifest, f"198.18.{third}.{self.count[third]}")

    def names(self):
        """The ready addresses behind each service, for the pods' hosts files."""
        now = {}
        for piece in self.api.items("/apis/discovery.k8s.io/v1/endpointslices"):
            service = (piece["metadata"]["namespace"], piece["metadata"]["labels"].get("kubernetes.io/service-name"))
            ready = [point["addresses"][0] for point in piece.get("endpoints") or [] if point["conditions"].get("ready")]
            now.setdefault(service, []).extend(sorted(ready))
        self.hosts = now
        for pod in self.pods.values():
            if pod.process is not None:
                pod.hosts(now)

    def claims(self):
        """A volume for every claim that waits for one; the API server's own controller binds the two."""
        for claim in self.api.items("/api/v1/persistentvolumeclaims"):
            meta, spec = claim["metadata"], claim["spec"]
            name = f"{meta['namespace']}-{meta['name']}"
            if claim["status"].get("phase") != "Pending" or self.api.find(f"/api/v1/persistentvolumes/{name}"):
                continue
            self.api.create("/api/v1/persistentvolumes", {
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {
                    "capacity": spec["resources"]["requests"], "accessModes": spec["accessModes"], "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": spec.get("storageClassName", ""), "hostPath": {"path": f"{self.folder}/claims/{meta['namespace']}_{meta['name']}"},
                    "claimRef": {"namespace": meta["namespace"], "name": meta["name"]},
                },
            })


if __name__ == "__main__":
    port, token, folder, *programs = sys.argv[1:]
    Node(int(port), token, folder, dict(pair.split("=", 1) for pair in programs)).run()
