"""A browser as small as the journeys need it: cookies by host, redirects one at a time, forms. Standard library only."""

import http.client
import time
import urllib.parse
from html.parser import HTMLParser

NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


class Answer:
    def __init__(self, url, status, headers, body):
        self.url, self.status, self.headers, self.body = url, status, headers, body

    def header(self, name):
        """The one value of a header, or None. Twice is an error: nobody here sends any of these twice."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} occurs {len(values)} times"
        return values[0] if values else None

    @property
    def location(self):
        location = self.header("Location")
        return location and urllib.parse.urljoin(self.url, location)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def forms(self):
        parser = _Forms()
        parser.feed(self.text)
        return parser.forms

    def __str__(self):
        return f"{self.status} of {self.url} -> {self.location or ''} {self.text[:300]!r}"


class Browser:
    tls = None  # an ssl.SSLContext that knows the site's certificate

    def __init__(self):
        self.jar = {}  # (host, name) -> (value, path)
        self.seen = []  # every URL asked for, in order

    def get(self, url, headers=None):
        return self.ask("GET", url, headers=headers)

    def post(self, url, fields, headers=None):
        body = urllib.parse.urlencode(fields).encode()
        return self.ask("POST", url, body, {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})

    def submit(self, answer, form, fields=None):
        """Sends a form of a page, as its page would: with its hidden fields, and its own origin."""
        parts = urllib.parse.urlsplit(answer.url)
        url = urllib.parse.urljoin(answer.url, form["action"] or answer.url)
        return self.post(
            url, {**form["fields"], **(fields or {})}, {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
        )

    def follow(self, answer, until=None):
        """Follows redirects, at most 12, until a page (or until a redirect whose target begins with `until`)."""
        for _ in range(12):
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            if until and answer.location.startswith(until):
                return answer
            answer = self.get(answer.location)
        raise AssertionError(f"redirects without an end: {self.seen[-6:]}")

    def ask(self, method, url, body=None, headers=None):
        parts = urllib.parse.urlsplit(url)
        self.seen.append(url)
        sent = {**NAVIGATION, **(headers or {})}
        path = parts.path or "/"
        cookies = [f"{name}={value}" for (host, name), (value, at) in self.jar.items()
                   if host == parts.hostname and (path == at or path.startswith(at.rstrip("/") + "/"))]
        cookies += [sent.pop("Cookie")] if "Cookie" in sent else []
        if cookies:
            sent["Cookie"] = "; ".join(cookies)
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=30, context=self.tls)
        else:
            connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)
        try:
            connection.request(method, path + (f"?{parts.query}" if parts.query else ""), body, sent)
            response = connection.getresponse()
            answer = Answer(url, response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self._keep(parts.hostname, value)
        return answer

    def cookie(self, host, name):
        return self.jar.get((host, name), (None, None))[0]

    def _keep(self, host, line):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        attributes = {key.lower(): rest for key, _, rest in (part.partition("=") for part in attributes)}
        gone = attributes.get("max-age") == "0" or attributes.get("expires", "").find(" 1970 ") > 0
        if gone or not value:
            self.jar.pop((host, name), None)
        else:
            self.jar[host, name] = (value, attributes.get("path") or "/")


class _Forms(HTMLParser):
    """Forms with their action, hidden and typed fields, and buttons as (name, value)."""

    def __init__(self):
        super().__init__()
        self.forms = []

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        if tag == "form":
            self.forms.append({"action": at.get("action", ""), "fields": {}, "buttons": []})
        elif self.forms and tag == "input" and at.get("name") and at.get("type") != "checkbox":
            self.forms[-1]["fields"][at["name"]] = at.get("value") or ""
        elif self.forms and tag == "button" and at.get("name"):
            self.forms[-1]["buttons"].append((at["name"], at.get("value", "")))


class Checks:
    """A line a check, as tests/interop/run counts them."""

    def __init__(self):
        self.failed = False

    def check(self, what, holds, otherwise=""):
        if holds:
            print(f"ok   {what}", flush=True)
        else:
            self.failed = True
            print(f"FAIL {what}: {otherwise}", flush=True)
        return holds


def eventually(seconds, question):
    """The first true answer, asked again and again for so long; else the last."""
    until = time.monotonic() + seconds
    while not (answer := question()) and time.monotonic() < until:
        time.sleep(0.2)
    return answer
