"""Doorward behind one real proxy, with the files of deployment/: the same checks for every proxy.

    journey.py NAME PROGRAM FOLDER LOGS [PART…]     (all parts, or those named: paths, spoofing, outages, …)"""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import cases
from service import BLOCK, LARGE, impostor, large_blocks
from place import CLIENT, Site
from setups import SETUPS
from browser import Browser, Checks, eventually

CANARY = "canary-of-client"


def decoded(path):
    return urllib.parse.unquote_to_bytes(path.encode()).decode("utf-8", "replace")


def might_be_admin(target):
    """Whether any reading that a service might take of a path lies below /foo/admin."""
    text = target
    for _ in range(4):
        cut = text
        for sign in "#?\0\n":
            cut = cut.split(sign)[0]
        for reading in (text, cut):
            segments = []
            for segment in reading.replace("\\", "/").split("/"):
                segment = segment.split(";")[0].strip()
                if segment == "..":
                    segments = segments[:-1]
                elif segment not in ("", "."):
                    segments.append(segment)
            if segments[:2] == ["foo", "admin"]:
                return True
        text = decoded(text)
    return False


class Journey:
    def __init__(self, site, check):
        self.check = check
        self.site, self.service, self.ask = site, site.service, site.ask
        self.ada, self.grace = Browser(), Browser()

    # --- what is served is what was decided on

    def served(self, asked):
        """What the service got of `asked()`, and its answer. Each must have been allowed as it arrived, or it is a hole."""
        before = len(self.service.seen)
        reply = asked()
        return self.service.seen[before:], reply

    def mismatch(self, request, admin=False):
        """Why what the service got is not what doorward allowed; None when it is."""
        headers = dict(request["headers"])
        allowed = [line for line in self.site.decisions(headers.get("x-request-id", "none"))
                   if line["outcome"] in ("allowed", "anonymous")]
        if not allowed:
            return f"served {request['method']} {request['target']} without a decision"
        line = allowed[0]
        path = request["target"].split("?")[0]
        if line["path"] not in (path, decoded(path)):
            return f"decided on the path {line['path']}, served {path}"
        host = headers.get("host", "").lower().rsplit(":", 1)[0].removesuffix(".")
        if (line["method"], line["host"]) != (request["method"], host):
            return f"decided on {line['method']} {line['host']}, served {request['method']} {host}"
        if line["client"] != CLIENT:
            return f"{request['target']} is said to come from {line['client']}"
        if not admin and host == "localhost" and might_be_admin(request["target"]):
            return f"served {request['target']} to somebody who is no admin"
        if host == "secret.apps.example.test":
            return f"served {host}"
        return None

    def nothing_slips(self, what, attempts):
        """Every attempt: refused, or served as decided. As nobody and as Grace, who is no admin."""
        wrong, served, count = [], 0, 0
        for name, asked in attempts:
            for who in ([], [self.site.cookie_line(self.grace)]):
                count += 1
                seen, reply = self.served(lambda asked=asked, who=who: asked(*who))
                served += len(seen)
                wrong += [f"{name!r}: {why}" for why in map(self.mismatch, seen) if why]
                if not seen and 200 <= reply.status < 300:
                    wrong.append(f"{name!r}: {reply}")
        self.check(f"{what}: {count} attempts, {served} served as decided, the rest refused", not wrong, wrong)

    # --- people and programs

    def sign_in(self):
        path = "/foo/deep/a%20b?x=1&y=%2Fz&rd=https%3A%2F%2Fother.example%2F&z=%zz"
        self.ada, login, back = self.site.sign_in("ada@example.com", path)
        rd = urllib.parse.parse_qs(urllib.parse.urlsplit(login.location or "").query).get("rd")
        self.check("a browser is sent to sign in", login.status == 302 and rd == [self.site.home + path], login)
        self.check("signed in: back at exactly the address asked for", back.location == self.site.home + path, back)
        there = self.ada.get(self.site.home + path)
        self.check("and there it is", there.status == 200 and json.loads(there.body)["target"] == path, there)
        headers = dict(json.loads(there.body)["headers"]) if there.status == 200 else {}
        said = [headers.get(name.lower()) for name in ("X-Auth-User", "X-Auth-Roles", "X-Auth-Method")]
        self.check("the service is told who it is", said == ["ada@example.com", "admin-role,staff", "session"]
              and headers.get("x-auth-assertion", "").count(".") == 2, headers)
        account = self.ada.get(f"{self.site.home}/rbac/")
        self.check("the account page is there", account.status == 200 and "ada@example.com" in account.text, account)
        self.grace, _, _ = self.site.sign_in("grace@example.com")

    def refusals(self):
        reply = self.ask("/foo/x", "Accept: application/json")
        body = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        self.check("a program gets 401 in JSON with the address to sign in", reply.status == 401
              and body.get("error") == "unauthorized" and "/rbac/login?rd=" in body.get("login_url", "")
              and reply.header("WWW-Authenticate") == "Bearer", reply)
        reply = self.ask("/foo/x", "Authorization: Bearer nonsense")
        self.check("a wrong token gets 401 that says so", reply.status == 401
              and reply.header("WWW-Authenticate") == 'Bearer error="invalid_token"', reply)
        page = self.grace.get(f"{self.site.home}/foo/admin/x")
        self.check("403 for a person is the page that names the role", page.status == 403 and "admin-role" in page.text
              and "text/html" in (page.header("Content-Type") or ""), page)
        reply = self.ask("/foo/admin/x", self.site.cookie_line(self.grace), "Accept: application/json")
        body = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        self.check("403 for a program is JSON", reply.status == 403 and body.get("error") == "forbidden", reply)
        self.check("refusals name their decision", reply.header("X-Auth-Decision-Id") == body.get("decision_id"), reply)
        for length in (0, 10, 100_000, 5_000_000):
            reply = self.ask("/foo/x", "Accept: text/html", method="POST", body=b"x" * length)
            # Of a large body a proxy may hang up in the middle.
            good = reply.status == 401 or reply.status == 0 and length > 10_000
            self.check(f"a POST of nobody is 401, never a redirect ({length} bytes)", good, reply)
        self.check("no refusal came from the service", not any(item["target"] == "/foo/x" for item in self.service.seen))

    def credentials_stay(self):
        lines = [self.site.cookie_line(self.ada) + "; theme=dark"]
        (request,), _ = self.served(lambda: self.ask("/foo/c", *lines))
        headers = dict(request["headers"])
        self.check("the service does not get the session cookie, and gets its own", headers.get("cookie") == "theme=dark", headers)
        (request,), _ = self.served(lambda: self.ask("/foo/c", self.site.cookie_line(self.ada)))
        self.check("nor where it is the only one", "doorward" not in str(request["headers"]), request["headers"])
        seen, _ = self.served(lambda: self.ask("/foo/public", "Authorization: Bearer nonsense"))
        self.check("nor anybody's Authorization", seen and "nonsense" not in str(seen), seen)

    # --- transport

    def bodies(self):
        cookie = self.site.cookie_line(self.ada)
        wrong = []
        for method, body in [("POST", b"a=1&b=2"), ("PUT", bytes([0, 255, 13, 10])), ("PATCH", b""), ("DELETE", b"{}")]:
            seen, reply = self.served(lambda m=method, b=body: self.ask("/foo/up?q=1", cookie, method=m, body=b))
            good = len(seen) == 1 and (seen[0]["method"], seen[0]["target"]) == (method, "/foo/up?q=1")
            if not good or seen[0]["sha256"] != hashlib.sha256(body).hexdigest() or self.mismatch(seen[0]):
                wrong.append((method, str(reply), seen))
        self.check("POST, PUT, PATCH and DELETE arrive whole", not wrong, wrong)
        with self.site.connect() as connection:
            connection.sendall(f"POST /foo/up HTTP/1.1\r\nHost: {self.site.host}\r\n{cookie}\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n".encode())
            answered = connection.recv(65536)
        self.check("a body of unknown length arrives whole", answered.startswith(b"HTTP/1.1 200")
              and self.service.seen[-1].get("sha256") == hashlib.sha256(b"abcdefg").hexdigest(), answered)
        expected = hashlib.sha256()
        for block in large_blocks():
            expected.update(block)
        with self.site.connect(120) as connection:
            connection.sendall(f"POST /foo/up HTTP/1.1\r\nHost: {self.site.host}\r\n{cookie}\r\nConnection: close\r\n"
                               f"Content-Length: {LARGE * len(BLOCK)}\r\n\r\n".encode())
            for block in large_blocks():
                connection.sendall(block)
            answered = connection.recv(65536)
        self.check("100 MB up arrive whole", answered.startswith(b"HTTP/1.1 200")
              and self.service.seen[-1].get("sha256") == expected.hexdigest(), answered)
        reply = self.ask("/foo/large", cookie, timeout=120)
        self.check("100 MB down arrive whole", hashlib.sha256(reply.body).digest() == expected.digest(),
              f"{reply.status}, {len(reply.body)} bytes")

    def head_and_options(self):
        wrong = []
        for method in ("HEAD", "OPTIONS"):
            for who, path, expected in [([self.site.cookie_line(self.ada)], "/foo/x", 200), ([], "/foo/x", 401),
                                        ([self.site.cookie_line(self.grace)], "/foo/admin", 403)]:
                seen, reply = self.served(lambda m=method, w=who, p=path: self.ask(p, *w, method=m))
                if reply.status != expected or [item["method"] for item in seen] != [method] * (expected == 200):
                    wrong.append((method, path, str(reply), seen))
        self.check("HEAD and OPTIONS are decided on like everything else", not wrong, wrong)

    def events(self):
        with self.site.connect() as connection:
            connection.sendall(f"GET /foo/events HTTP/1.1\r\nHost: {self.site.host}\r\n"
                               f"{self.site.cookie_line(self.ada)}\r\n\r\n".encode())
            got, number = b"", 0
            while number < 4 and (part := connection.recv(65536)):
                got += part
                if b"data: %d\n\n" % number in got:
                    number += 1
                    self.service.go_on.set()
        self.check("server-sent events arrive while they are sent", number == 4 and not self.service.buffered, got)

    def websocket(self, *lines):
        """The first line of the answer to a handshake, and what came back for a message."""
        key = base64.b64encode(os.urandom(16)).decode()
        with self.site.connect() as connection:
            head = [f"GET /foo/ws HTTP/1.1\r\nHost: {self.site.host}", "Upgrade: websocket", "Connection: Upgrade",
                    f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *lines]
            connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
            got = b""
            while b"\r\n\r\n" not in got and (part := connection.recv(65536)):
                got += part
            status = got.split(b"\r\n")[0]
            if b" 101 " not in status:
                return status, b""
            mask, text = b"\1\2\3\4", b"hello through the proxy"
            connection.sendall(bytes([0x81, 0x80 | len(text)]) + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)))
            echo = connection.recv(len(text) + 2)
            return status, echo[2:]

    def websockets(self):
        cookie, own = self.site.cookie_line(self.ada), f"Origin: {self.site.home}"
        for again in range(3):  # what the question did to kept connections shows the next time
            status, echo = self.websocket(cookie, own)
            self.check(f"a WebSocket echoes ({again + 1})", echo == b"hello through the proxy", status)
        status, _ = self.websocket(own)
        self.check("a WebSocket of nobody is 401", b" 401 " in status, status)
        status, _ = self.websocket(cookie, "Origin: https://evil.test")
        self.check("a WebSocket from another origin is 403", b" 403 " in status, status)

    def http2(self):
        curl = ["curl", "-sS", "--cacert", str(self.site.folder / "site.pem"), "--http2", "--interface", CLIENT, "-w", "\n%{http_version} %{http_code}", "-H",
                self.site.cookie_line(self.ada), "-H", "X-Request-Id: over-h2", "-H", "Accept: application/json", "-H", f"X-Auth-User: {CANARY}", "-H", f"x-auth-roles: {CANARY}"]
        before = len(self.service.seen)
        told = subprocess.run([*curl, f"{self.site.home}/foo/h2?x=1"], capture_output=True, text=True, timeout=30).stdout
        seen = self.service.seen[before:]
        self.check("HTTP/2: served as decided, spoofed headers replaced", told.endswith("\n2 200") and len(seen) == 1
              and not self.mismatch(seen[0], admin=True) and CANARY not in str(seen)
              and ("x-auth-user", "ada@example.com") in seen[0]["headers"], (told, seen))

    # --- headers that a client makes up

    def spoofing(self):
        wrong, count = [], 0
        for name in cases.IDENTITY:
            for spelling in (name, name.lower(), name.upper(), *cases.aliases(name)):
                line = f"{spelling}: {CANARY}"
                for who, user in (([], ""), ([self.site.cookie_line(self.grace)], "grace@example.com")):
                    for lines in ([line], [line, line], [f"{spelling}:", line]) if spelling == name else ([line],):
                        count += 1
                        seen, reply = self.served(lambda w=who, sent=lines: self.ask("/foo/public/x", *w, *sent))
                        if CANARY in str(seen):
                            wrong.append(f"{lines} reaches the service")
                        for request in seen:
                            got = [value for key, value in request["headers"] if key == "x-auth-user"]
                            if got not in ([user], [user] if user else []):
                                wrong.append(f"{lines}: X-Auth-User is {got}")
                        if not seen and not 400 <= reply.status < 500:
                            wrong.append(f"{lines}: {reply}")
        self.check(f"identity headers of a client, aliases too, are replaced or die: {count} attempts", not wrong, wrong[:20])
        seen, reply = self.served(lambda: self.ask("/foo/public/x"))
        listed = {key: value for key, value in seen[0]["headers"] if key.upper() in map(str.upper, cases.IDENTITY)} if seen else {}
        self.check("nobody is nobody: empty or absent, and `anonymous`", seen and listed.pop("x-auth-method") == "anonymous"
              and not any(listed.values()), (listed, str(reply)))

    def claims(self):
        public = self.site.host
        self.nothing_slips("claims about the request", [
            (f"{claim} on {path}", lambda *who, c=claim, p=path: self.ask(p, c, *who)) for claim in cases.CLAIMS
            for path in ("/foo/admin/x", "/foo/x", "/foo/public/x")])
        self.nothing_slips("headers named in Connection", [
            (name, lambda *who, n=name, p=path: self.ask(p, f"Connection: {n}", f"connection: close, {n.lower()}", f"{n}: {CANARY}"
             if n not in ("Cookie", "Host") else "X-A: b", *who))
            for name in cases.HOP_BY_HOP for path in ("/foo/admin/x", "/foo/public/x")])
        wrong = []
        for claim in cases.CLAIMS:
            seen, reply = self.served(lambda c=claim: self.ask("/foo/x", c, "Accept: text/html"))
            location = reply.header("Location") or ""
            if seen or (location and not location.startswith(f"https://{public}/rbac/login?rd=https%3A%2F%2Flocalhost%3A")):
                wrong.append((claim, str(reply)))
        self.check("none of them changes where a sign-in leads back to", not wrong, wrong)

    # --- paths, hosts, framing

    def paths(self):
        self.nothing_slips("paths", [(path, lambda *who, p=path: self.ask(p, *who)) for path in cases.PATHS + cases.BYTES])
        wrong = []
        for path in cases.ORDINARY:
            seen, reply = self.served(lambda p=path: self.ask(p, self.site.cookie_line(self.grace)))
            if [item["target"] for item in seen] != [path] or self.mismatch(seen[0]):
                wrong.append((path, str(reply), [item["target"] for item in seen]))
        self.check(f"{len(cases.ORDINARY)} ordinary paths arrive as they are", not wrong, wrong)
        seen, _ = self.served(lambda: self.ask("/foo/admin/x/y?z=../public", self.site.cookie_line(self.ada)))
        self.check("an admin is served the admin's path", [item["target"] for item in seen] == ["/foo/admin/x/y?z=../public"]
              and not self.mismatch(seen[0], admin=True), seen)
        seen, reply = self.served(lambda: self.ask("/opaque/group%2Fproject/raw"))
        self.check("an encoded slash under `paths: opaque` is served as decided, or refused by the proxy",
              not any(map(self.mismatch, seen)) and (seen or 400 <= reply.status < 500), (str(reply), seen))

    def hosts(self):
        self.nothing_slips("hosts", [(f"{host} {path}", lambda *who, h=host, p=path: self.ask(p, *who, host=h))
                                     for host, path, _ in cases.HOSTS])
        wrong = []
        for host, path, through in cases.HOSTS:
            seen, reply = self.served(lambda h=host, p=path: self.ask(p, host=h))
            safe = [dict(item["headers"]).get("host", "").lower().split(":")[0] for item in seen]
            if through and safe != ["open.apps.example.test"] or not through and safe not in ([], ["open.apps.example.test"]):
                wrong.append((host, path, str(reply), seen))
        self.check("the open host is served, and no other by its name", not wrong, wrong)

    def framing(self):
        site, public = self.site.host, "open.apps.example.test"
        heads = {
            "two Host lines": f"GET /foo/admin HTTP/1.1\r\nHost: {public}\r\nHost: {site}\r\n",
            "two Host lines, the other way": f"GET /x HTTP/1.1\r\nHost: {site}\r\nHost: secret.apps.example.test\r\n",
            "no Host": "GET /foo/admin HTTP/1.1\r\n",
            "HTTP/1.0 without a Host": "GET /foo/admin HTTP/1.0\r\n",
            "HTTP/1.0": f"GET /foo/public HTTP/1.0\r\nHost: {site}\r\n",
            "absolute address, another Host": f"GET https://secret.apps.example.test/x HTTP/1.1\r\nHost: {public}\r\n",
            "absolute address, an open Host": f"GET https://{site}/foo/admin HTTP/1.1\r\nHost: {public}\r\n",
            "absolute address with a user": f"GET https://{public}@{site}/foo/admin HTTP/1.1\r\nHost: {public}\r\n",
            "absolute address without a path": f"GET https://{site}?/foo/public HTTP/1.1\r\nHost: {site}\r\n",
            "lower-case method": f"get /foo/public/x HTTP/1.1\r\nHost: {site}\r\n",
            "invented method": f"BREW /foo/public/x HTTP/1.1\r\nHost: {site}\r\n",
            "bare line feeds": f"GET /foo/public/x HTTP/1.1\nHost: {site}\nX-Auth-User: {CANARY}\n",
            "folded line": f"GET /foo/public/x HTTP/1.1\r\nHost: {site}\r\nX-A: b\r\n X-Auth-User: {CANARY}\r\n",
            "space before the colon": f"GET /foo/public/x HTTP/1.1\r\nHost: {site}\r\nX-Auth-User : {CANARY}\r\n",
            "a NUL in a header": f"GET /foo/public/x HTTP/1.1\r\nHost: {site}\r\nX-A: b\0c\r\n",
            "blanks in the request line": f"GET  /foo/public/x  HTTP/1.1\r\nHost: {site}\r\n",
            "a tab in the request line": f"GET\t/foo/public/x\tHTTP/1.1\r\nHost: {site}\r\n",
            "three words": f"GET /foo/public/x /foo/admin HTTP/1.1\r\nHost: {site}\r\n",
            "a request in a body": f"POST /foo/public/x HTTP/1.1\r\nHost: {site}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
            "two lengths": f"POST /foo/public/x HTTP/1.1\r\nHost: {site}\r\nContent-Length: 0\r\nContent-Length: 60\r\n",
            "an odd coding": f"POST /foo/public/x HTTP/1.1\r\nHost: {site}\r\nTransfer-Encoding: xchunked\r\nContent-Length: 60\r\n",
        }
        hidden = "0\r\n\r\nGET /foo/admin HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"
        wrong = []
        for name, head in heads.items():
            tail = ["", hidden] if head.startswith("POST") else []
            before = len(self.service.seen)
            reply = self.ask("", *tail, head=head.encode("latin-1"), timeout=3 if tail else 30)
            seen = self.service.seen[before:]
            wrong += [f"{name}: {why}" for why in map(self.mismatch, seen) if why]
            if CANARY in str([item["headers"] for item in seen if dict(item["headers"]).get("x-auth-user") == CANARY]):
                wrong.append(f"{name}: X-Auth-User is the client's")
            if not seen and 200 <= reply.status < 300:
                wrong.append(f"{name}: {reply}")
        self.check(f"{len(heads)} odd framings are refused, or served as decided", not wrong, wrong)

    def inside(self):
        """A public target is claimed in every dialect: whoever reached /auth would be told OK."""
        claims = [f"X-Forwarded-Method: GET", "X-Forwarded-Uri: /foo/public/x", f"X-Original-URL: https://{self.site.host}/foo/public/x",
                  "X-Original-Method: GET"]
        wrong = []
        for path in cases.INSIDE:
            for host in (None, "open.apps.example.test"):
                seen, reply = self.served(lambda p=path, h=host: self.ask(p, *claims, host=h))
                wrong += [f"{path}: {why}" for why in map(self.mismatch, seen) if why]
                if not seen and 200 <= reply.status < 300:
                    wrong.append(f"{path}: {reply}")
        self.check(f"{len(cases.INSIDE)} roads to what is for the inside lead nowhere", not wrong, wrong)

    def http_redirects(self):
        answer = Browser().get(f"http://localhost:{self.site.ports['http']}/foo/x?y=1")
        self.check("plain http is redirected", answer.status in (301, 302, 307, 308) and answer.location.startswith("https://localhost")
              and answer.location.endswith("/foo/x?y=1"), answer)

    def doctor(self):
        """`doorward doctor` finds nothing, and leaves open only what cannot be seen from the machine itself."""
        status, told = self.site.doctor(self.ada)
        wrong = [item for item in told["checks"] if item["outcome"] == "finding" or item["outcome"] == "unchecked" and item["id"] != "listeners"]
        self.check("doctor finds nothing wrong", status == 0 and told["ok"] and not wrong, wrong)
        self.check("doctor recognises the proxy", told["proxy"] == self.site.name, (told["proxy"], told["proxy_by"]))

    # --- doorward away

    def closed(self, what, timeout=60):
        """Whoever asks gets nothing, not even what is public."""
        asked = [(path, who) for who in ([], [self.site.cookie_line(self.ada)]) for path in ("/foo/public/x", "/foo/x", "/rbac/../foo/x")]
        before = len(self.service.seen)
        with ThreadPoolExecutor(len(asked)) as at_once:
            replies = list(at_once.map(lambda one: self.ask(one[0], *one[1], timeout=timeout), asked))
        # 0: it hung up, or handed on what is no HTTP.
        closed = len(self.service.seen) == before and not any(0 < reply.status < 400 for reply in replies)
        self.check(f"closed while doorward {what}", closed, [list(map(str, replies)), self.service.seen[before:]])

    def outages(self):
        self.site.signal_doorward(signal.SIGSTOP)
        self.closed("hangs")
        self.site.signal_doorward(signal.SIGCONT)
        self.check("and open again", eventually(30, lambda: self.ask("/foo/x", self.site.cookie_line(self.ada)).status == 200))
        self.site.stop("doorward")
        self.closed("is stopped")
        for what, answer in [
            ("resets connections", None), ("says nothing", b""), ("speaks no HTTP", b"NONSENSE\r\n\r\n"), ("stops in the middle", b"HTTP/1.1 200 OK\r\nX-Auth"),
            ("answers with a status of one digit", b"HTTP/1.1 2\r\nContent-Length: 0\r\n\r\n"), ("answers 100 and no more", b"HTTP/1.1 100 Continue\r\n\r\n"),
            ("answers 404", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), ("answers 500", b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"),
        ]:
            listener = impostor(self.site.ports["doorward"], answer)
            self.closed(what)
            listener.shutdown(2)
            listener.close()
        self.site.start_doorward()
        self.check("and open again", eventually(30, lambda: self.ask("/foo/x", self.site.cookie_line(self.ada)).status == 200))

    def parts(self, chosen=()):
        every = (self.sign_in, self.refusals, self.credentials_stay, self.bodies, self.head_and_options, self.events, self.websockets,
                 self.http2, self.spoofing, self.claims, self.paths, self.hosts, self.framing, self.inside, self.http_redirects,
                 self.doctor, self.outages)
        for part in every:
            if not chosen or part == self.sign_in or part.__name__ in chosen:
                part()


def whole(checks, name, program, folder, logs, chosen):
    site = Site(name, folder, logs)
    try:
        site.start(program)
        Journey(site, checks.check).parts(chosen)
    finally:
        site.close()


def finds(checks, name, program, folder, logs, broken):
    """The same with one thing wrong: this journey has to say so, or it proves nothing."""
    found = []
    os.mkdir(folder)
    site = Site(name, folder, logs)
    try:
        site.start(program, broken.changes, broken.gateway)
        journey = Journey(site, lambda what, holds, _="": holds or found.append(what))
        try:
            if broken.part:
                journey.parts([broken.part])
        except (AssertionError, LookupError, OSError, TypeError, ValueError) as error:
            found.append(repr(error))  # the journey's own plain Python did not get what it took for granted
        if broken.part:
            checks.check(f"it is noticed when {broken.what}", found, "nothing is said")
        _, told = site.doctor(journey.ada)
        findings = [item for item in told["checks"] if item["outcome"] == "finding"]
        what = "doctor finds it" if broken.doctor else "doctor, who cannot see it, says nothing wrong"
        checks.check(f"{what} when {broken.what}", {item["id"] for item in findings} == broken.doctor, findings)
    finally:
        site.close()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and what was started is ended
    name, program, folder, logs, *chosen = sys.argv[1:]
    checks = Checks()
    whole(checks, name, program, folder, logs, chosen)
    for number, broken in enumerate(SETUPS[name].broken):
        if not chosen:
            finds(checks, name, program, f"{folder}/broken-{number}", logs, broken)
    sys.exit(checks.failed)


if __name__ == "__main__":
    main()
