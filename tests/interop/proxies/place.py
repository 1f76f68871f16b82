"""The programs of one journey: the proxy with the files of `deployment/`, doorward, the stand-in provider, the service."""

import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from service import Service
from setups import SETUPS

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
from browser import Browser, eventually  # noqa: E402

DOORWARD = """
data_dir: data
server: {{ listen: "127.0.0.1:{doorward}", external_url: "https://localhost:{port}", trusted_proxies: [127.0.0.1] }}
ops: {{ listen: none }}
policy: {{ file: policy.yaml }}
forward_auth: {{ strip_credentials: true }}
audit: {{ decisions: all, file: audit.jsonl }}
providers:
  - {{ id: idp, kind: oidc, issuer: "http://127.0.0.1:{idp}", client_id: doorward, client_secret: doorward-secret, roles_claim: roles }}
"""

POLICY = """
version: 1
default: deny
roles: { admin-role: ["*"], staff: ["foo:read"] }
services:
  foo:
    prefix: /foo
    hosts: [localhost]
    authenticated: true
    origins: ["https://localhost:PORT"]
    endpoints:
      - { path: "/public/**", public: true }
      - { path: "/admin/**", roles: [admin-role] }
  opaque: { prefix: /opaque, hosts: [localhost], public: true, paths: opaque }
  apps: { hosts: ["*.apps.example.test"], public: true }
  secret: { hosts: [secret.apps.example.test], roles: [admin-role] }
"""


# Where requests come from: not the address that doorward trusts as the proxy's.
CLIENT = "127.0.0.2"


def free_port():
    """Below the range from which the system takes the ports of outgoing connections: one of those may be in the way by
    the time that the port is listened on."""
    while True:
        port = random.randrange(10_000, 32_000)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue


class Reply:
    """What came back for raw bytes. `status` 0: nothing that is HTTP."""

    def __init__(self, status=0, headers=(), body=b""):
        self.status, self.headers, self.body = status, list(headers), body

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def __str__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


class Site:
    def __init__(self, name, folder, logs):
        self.name, self.folder, self.logs = name, Path(folder), Path(logs)
        self.ports = {key: free_port() for key in ("port", "http", "doorward", "foo", "idp")}
        self.port = self.ports["port"]
        self.host = f"localhost:{self.port}"
        self.home = f"https://{self.host}"
        self.running = {}
        self.count = 0
        self.service = Service(self.ports["foo"])
        self.tls = None
        self.doorward_command = []

    def start(self, program, changes=(), gateway=()):
        self._certificate()
        self.tls = ssl.create_default_context(cafile=str(self.folder / "site.pem"))
        Browser.tls = self.tls
        settings = DOORWARD.format(**self.ports)
        for old, new in gateway:
            assert old in settings, old
            settings = settings.replace(old, new)
        (self.folder / "doorward.yaml").write_text(settings)
        (self.folder / "policy.yaml").write_text(POLICY.replace("PORT", str(self.port)))
        bin_dir = Path(os.environ.get("DOORWARD", ROOT / "target/debug/doorward")).parent
        self.doorward_command = [bin_dir / "doorward", "serve", "--config", "doorward.yaml"]
        self._start("idp", [
            bin_dir / "idp", "--listen", f"127.0.0.1:{self.ports['idp']}", "--redirect-uri", f"{self.home}/rbac/callback",
        ])
        self._answers(self.ports["idp"])
        self.start_doorward()
        command = SETUPS[self.name].prepare(ROOT, self.folder, self.ports, program, changes)
        self._start(self.name, command)
        # Traefik says 404 until it has read its routes.
        if not eventually(30, lambda: self.ask("/foo/public").status not in (0, 404)):
            raise SystemExit(f"FAIL {self.name} does not answer: {self.ask('/foo/public')}\n{self._tail(self.name)}\n{self._tail('doorward')}")

    # --- programs

    def _certificate(self):
        names = "subjectAltName=DNS:localhost,DNS:*.apps.example.test"
        own = "basicConstraints=critical,CA:FALSE"  # else doctor, for one, takes it for an authority and not for a site's
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                   "-subj", "/CN=localhost", "-addext", names, "-addext", own, "-keyout", "site.key", "-out", "site.pem"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def _start(self, name, command):
        log = open(self.logs / f"{self.name}-{name}.log", "ab")
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self.running[name] = subprocess.Popen(
            [str(part) for part in command], cwd=self.folder, env=kept, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    def _tail(self, name):
        return "\n".join((self.logs / f"{self.name}-{name}.log").read_text(errors="replace").splitlines()[-15:])

    def _answers(self, port):
        def asked():
            try:
                return Browser().get(f"http://127.0.0.1:{port}/healthz").status == 200
            except OSError:
                return False
        if not eventually(30, asked):
            raise SystemExit(f"FAIL nothing answers on port {port}; the logs are in {self.logs}")

    def start_doorward(self):
        self._start("doorward", self.doorward_command)
        self._answers(self.ports["doorward"])

    def signal_doorward(self, number):
        os.kill(self.running["doorward"].pid, number)

    def stop(self, name):
        process = self.running.pop(name)
        # doorward would wait for its proxy to notice, as it should where it is not all over.
        process.send_signal(signal.SIGKILL if name == "doorward" else signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        for name in list(reversed(self.running)):
            self.stop(name)

    # --- asking

    def connect(self, timeout=30, host="localhost"):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout, source_address=(CLIENT, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(raw, server_hostname=host)

    def ask(self, target, *lines, method="GET", host=None, body=None, head=None, timeout=30):
        """One raw request, in bytes that no client library would send. `head` replaces all up to the lines."""
        self.count += 1
        if isinstance(target, str):
            target = target.replace("HOST", self.host).encode("latin-1")
        host = self.host if host is None else host
        first = head if head is not None else b"%s %s HTTP/1.1\r\nHost: %s\r\n" % (method.encode(), target, host.encode("latin-1"))
        own = [f"X-Request-Id: t{self.count}-{os.getpid()}", "Connection: close"]
        request = first + b"".join(line.encode("latin-1") + b"\r\n" for line in [*own, *lines])
        if body is not None:
            request += b"Content-Length: %d\r\n" % len(body)
        try:
            with self.connect(timeout) as connection:
                connection.sendall(request + b"\r\n" + (body or b""))
                response = http.client.HTTPResponse(connection, method=method)
                response.begin()
                return Reply(response.status, response.getheaders(), response.read())
        except (OSError, http.client.HTTPException):
            return Reply()

    def decisions(self, request_id):
        """What doorward wrote down about a request, by the id that the service got with it."""
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in reversed(lines) if request_id in line]
        return [line for line in found if line.get("request_id") == request_id and line["event"] == "decision"]

    def sign_in(self, email, path="/foo/"):
        """Through the proxy to the provider and back. Returns the browser and where it was sent in the end."""
        browser = Browser()
        login = browser.get(self.home + path)
        provider = browser.get(login.location)
        back = browser.post(provider.location, {"account": email})
        return browser, login, browser.get(back.location)

    def doctor(self, browser=None):
        """What `doorward doctor` says, looking at the site with its configuration, an echo, and this browser's session."""
        command = [self.doorward_command[0], "doctor", f"{self.home}/foo/x?y=1", "--json", "--config", "doorward.yaml", "--echo", f"{self.home}/foo/public/x"]
        if browser and self.cookie_line(browser).strip("Cookie: "):
            (self.folder / "cookie").write_text(self.cookie_line(browser))
            command += ["--cookie-file", "cookie"]
        kept = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(self.folder / "site.pem")}
        told = subprocess.run([str(part) for part in command], cwd=self.folder, env=kept, capture_output=True, text=True, timeout=300)
        if told.returncode not in (0, 1):
            raise ValueError(f"doctor ends with {told.returncode}: {told.stderr}")
        return told.returncode, json.loads(told.stdout)

    def cookie_line(self, browser):
        return "Cookie: " + "; ".join(f"{name}={value}" for (host, name), (value, _) in browser.jar.items() if host == "localhost")

