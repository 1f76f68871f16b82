"""A pod with one container, as a process of this machine: a network of its own on the node's bridge, a file system of its own,
the user, groups, capabilities and variables that its manifest says. What an image would bring comes from PROGRAMS."""

import base64
import os
import re
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from volumes import Missing, Volumes

NODE = "198.18.0.1"
NETWORK = "198.18.0.0/16"
# What a program must be able to read. The root itself is empty but for this.
SYSTEM = ["/usr", "/etc/ssl", "/proc", "/dev", "/sys"]
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Pod:
    def __init__(self, api, node, manifest, address):
        self.api, self.node, self.address = api, node, address
        meta = manifest["metadata"]
        self.namespace, self.name, self.uid = meta["namespace"], meta["name"], meta["uid"]
        self.link = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.spec = manifest["spec"]
        self.container = self.spec["containers"][0]
        self.folder = node.folder / "pods" / self.uid
        self.volumes = Volumes(api, manifest, self.folder / "volumes", node.folder / "claims")
        self.process, self.restarts, self.ready, self.over = None, 0, False, False
        self.asked_to_end, self.again, self.probes, self.shown = None, None, {}, None

    # --- its life

    def begin(self):
        """Starts it; False while something that it needs is not there."""
        try:
            variables = self._variables()
            if not self.folder.exists():
                self.folder.mkdir(parents=True)
                (self.folder / "hosts").write_text("")
            self.volumes.prepare()
            self._token()
        except Missing as missing:
            self.node.note(f"{self.name} waits for {missing}")
            return False
        self.hosts(self.node.hosts)
        self._start(variables)
        return True

    def look(self):
        """Once a round: is it there, is it well, has a volume changed?"""
        if self.over:
            return
        if self.process.poll() is not None:
            self._ended()
            return
        if self.asked_to_end is not None:
            if time.monotonic() > self.asked_to_end:
                self.node.note(f"KILLED {self.namespace}/{self.name}: it did not end within its grace")
                self.process.kill()
            return
        self.volumes.refresh()
        self.ready = self._probe("readinessProbe", True)
        if not self._probe("livenessProbe", False):
            self.node.note(f"KILLED {self.namespace}/{self.name}: it is not alive")
            self.process.kill()
        self._tell()

    def end(self, grace):
        if self.asked_to_end is None:
            self.asked_to_end = time.monotonic() + grace
            self.ready = False
            if self.process and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)

    @property
    def gone(self):
        return self.process is None or self.process.poll() is not None

    def _ended(self):
        code = self.process.returncode
        self.ready = False
        if self.asked_to_end is not None:
            self.node.note(f"{self.namespace}/{self.name} ended with {code}")
            self.over = True
        elif self.spec.get("restartPolicy", "Always") == "Never" or (code == 0 and self.spec["restartPolicy"] == "OnFailure"):
            self.over = True
            self._tell("Succeeded" if code == 0 else "Failed", code)
        elif self.again is None:
            self.node.note(f"RESTARTED {self.namespace}/{self.name}: it ended with {code}")
            self.restarts += 1
            self.again = time.monotonic() + 1
            self._tell()
        elif time.monotonic() > self.again:
            self.again = None
            self._start(self._variables())

    # --- what the API server is told

    def _tell(self, phase="Running", code=None):
        if self.shown == (phase, self.ready, self.restarts):
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        started = {"running": {"startedAt": now}} if code is None else {"terminated": {"exitCode": code, "finishedAt": now}}
        states = {"PodScheduled": True, "Initialized": True, "ContainersReady": self.ready, "Ready": self.ready}
        self.api.merge(f"{self.link}/status", {"status": {
            "phase": phase, "hostIP": NODE, "podIP": self.address, "podIPs": [{"ip": self.address}], "startTime": now,
            "conditions": [{"type": kind, "status": str(holds), "lastTransitionTime": now} for kind, holds in states.items()],
            "containerStatuses": [{
                "name": self.container["name"], "image": self.container["image"], "imageID": "local", "ready": self.ready,
                "started": True, "restartCount": self.restarts, "state": started,
            }],
        }})
        self.shown = (phase, self.ready, self.restarts)

    def hosts(self, services):
        """In the place of a cluster's DNS. Written in place: the pod sees this very file."""
        lines = ["127.0.0.1 localhost", f"{self.address} {self.name}"]
        for (namespace, name), addresses in sorted(services.items()):
            names = [f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}.svc", f"{name}.{namespace}"]
            names += [name] if namespace == self.namespace else []
            lines += [f"{address} {' '.join(names)}" for address in addresses]
        with open(self.folder / "hosts", "r+") as file:
            text = "\n".join(lines) + "\n"
            if file.read() != text:
                file.seek(0)
                file.write(text)
                file.truncate()

    # --- starting it

    def _variables(self):
        known = {"KUBERNETES_SERVICE_HOST": NODE, "KUBERNETES_SERVICE_PORT": str(self.node.port), "HOSTNAME": self.name, "PATH": PATH}
        for entry in self.container.get("env", []):
            known[entry["name"]] = self._value(entry, known)
        return known

    def _value(self, entry, known):
        if "valueFrom" not in entry:
            return expand(entry.get("value", ""), known)
        source = entry["valueFrom"]
        if "fieldRef" in source:
            return {"status.podIP": self.address, "metadata.name": self.name, "metadata.namespace": self.namespace}[source["fieldRef"]["fieldPath"]]
        kind, wanted = ("configmaps", source["configMapKeyRef"]) if "configMapKeyRef" in source else ("secrets", source["secretKeyRef"])
        found = self.api.find(f"/api/v1/namespaces/{self.namespace}/{kind}/{wanted['name']}")
        if found is None or wanted["key"] not in found.get("data", {}):
            raise Missing(f"{kind}/{wanted['name']}: {wanted['key']}")
        value = found["data"][wanted["key"]]
        return value if kind == "configmaps" else base64.b64decode(value).decode()

    def _token(self):
        """The ServiceAccount's token, where it is mounted by itself."""
        automatic = [mount for mount in self.container.get("volumeMounts", []) if mount["mountPath"].endswith("kubernetes.io/serviceaccount")]
        self.token = None
        if not automatic:
            return
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{self.spec['serviceAccountName']}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
        self.token = self.folder / "token"
        self.token.mkdir(exist_ok=True)
        (self.token / "token").write_text(self.api.create(account, request)["status"]["token"])
        (self.token / "ca.crt").write_text((self.node.folder / "tls.crt").read_text())
        (self.token / "namespace").write_text(self.namespace)
        for file in self.token.iterdir():
            file.chmod(0o644)

    def _start(self, variables):
        context = {**self.spec.get("securityContext", {}), **self.container.get("securityContext", {})}
        entry, default = self.node.program(self.container["image"])
        command = self.container.get("command") or [entry]
        arguments = self.container.get("args") or ([] if "command" in self.container else default)
        words = [expand(word, variables) for word in command + arguments]
        log = open(self.node.folder / "logs" / f"{self.namespace}_{self.name}.log", "ab")
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec", self._script(context, words)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=variables,
        )
        log.close()
        # The script waits for its end of the cable, which is laid once its network is another than ours.
        mine = f"v{self.address.replace('.', '')[5:]}"
        quick("ip", "link", "delete", mine, check=False)
        ours = os.readlink("/proc/self/ns/net")
        while self.process.poll() is None and os.readlink(f"/proc/{self.process.pid}/ns/net") == ours:
            time.sleep(0.01)
        quick("ip", "link", "add", mine, "type", "veth", "peer", "name", "eth0", "netns", str(self.process.pid))
        quick("ip", "link", "set", mine, "master", "br0", "up")
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()
        self.probes = {}

    def _script(self, context, words):
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        lines = [
            "read go", "ip link set lo up", f"ip addr add {self.address}/16 dev eth0", "ip link set eth0 up", f"ip route add default via {NODE}",
            f"mount -t tmpfs -o mode=755 tmpfs {root}", f"cd {root}", "mkdir -p etc tmp", "chmod 1777 tmp",
            "for name in bin lib lib64 sbin; do ln -s usr/$name $name; done",
            "echo 'hosts: files' >etc/nsswitch.conf", "touch etc/hosts", f"mount --bind {self.folder}/hosts etc/hosts",
        ]
        for place in SYSTEM:
            lines += [f"mkdir -p .{place}", f"mount --rbind {place} .{place}"]
        for source, place in self.node.files.items():
            lines += [f"mkdir -p .{os.path.dirname(place)}", f"touch .{place}", f"mount --bind {shlex.quote(str(source))} .{place}"]
        for mount in self.container.get("volumeMounts", []):
            place = shlex.quote("." + mount["mountPath"])
            source = self.token if mount["mountPath"].endswith("kubernetes.io/serviceaccount") else self.volumes.path(mount["name"])
            if "subPath" in mount:
                raise NotImplementedError("subPath: such a mount never changes, so no manifest here has one")
            lines += [f"mkdir -p {place}", f"mount --bind {source} {place}"]
            lines += [f"mount -o remount,bind,ro {place}"] if mount.get("readOnly") else []
        if context.get("readOnlyRootFilesystem"):
            lines += [f"mount -o remount,ro {root}"]
        user, group = context.get("runAsUser", 0), context.get("runAsGroup", 0)
        if context.get("runAsNonRoot") and not user:
            raise NotImplementedError("a user of the image's choice")
        groups = str(context["fsGroup"]) if "fsGroup" in context else ""
        drop = ["--inh-caps=-all", "--bounding-set=-all"] if context.get("capabilities", {}).get("drop") == ["ALL"] else []
        drop += [] if context.get("allowPrivilegeEscalation", True) else ["--no-new-privs"]
        confined = ["chroot", ".", "setpriv", f"--reuid={user}", f"--regid={group}", *([f"--groups={groups}"] if groups else ["--clear-groups"]), *drop]
        return "\n".join([*lines, "exec </dev/null", "exec " + shlex.join(confined + words)])

    # --- probes

    def _probe(self, kind, well_without_answer):
        """Whether it is well, by this probe's thresholds. Readiness begins with no, liveness with yes."""
        probe = self.container.get(kind)
        if probe is None:
            return True
        state = self.probes.setdefault(kind, {"well": kind == "livenessProbe", "count": 0, "next": time.monotonic() + probe.get("initialDelaySeconds", 0)})
        if time.monotonic() < state["next"]:
            return state["well"]
        state["next"] = time.monotonic() + probe.get("periodSeconds", 10)
        answer = self._ask(probe)
        if answer == state["well"]:
            state["count"] = 0
        else:
            state["count"] += 1
            if state["count"] >= probe.get("successThreshold" if answer else "failureThreshold", 1 if answer else 3):
                state["well"], state["count"] = answer, 0
            elif not state["well"]:
                state["next"] = time.monotonic() + 0.3
        # A pod that is not ready yet is asked more often here than kubelet would: the test need not wait.
        if kind == "readinessProbe" and not state["well"]:
            state["next"] = min(state["next"], time.monotonic() + 0.3)
        return state["well"]

    def _ask(self, probe):
        seconds = probe.get("timeoutSeconds", 1)
        if "exec" in probe:
            inside = ["nsenter", "--target", str(self.process.pid), "--net", "--mount", "--root", "--wd=/", "--"]
            try:
                return subprocess.run([*inside, *probe["exec"]["command"]], env={"PATH": PATH}, capture_output=True, timeout=seconds).returncode == 0
            except subprocess.TimeoutExpired:
                return False
        asked = probe.get("httpGet") or probe["tcpSocket"]
        port = asked["port"] if isinstance(asked["port"], int) else next(
            port["containerPort"] for port in self.container["ports"] if port.get("name") == asked["port"])
        try:
            if "tcpSocket" in probe:
                socket.create_connection((self.address, port), seconds).close()
                return True
            with urllib.request.urlopen(f"http://{self.address}:{port}{asked['path']}", timeout=seconds) as answer:
                return 200 <= answer.status < 400
        except (OSError, urllib.error.URLError):
            return False


def expand(text, variables):
    """`$(NAME)`, and `$$(NAME)` for itself, as in a container's command and variables."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda found: "$" if found[1] is None else variables.get(found[1], found[0]), text)


def quick(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True)
