"""The API server, as far as the test asks it itself. Standard library only."""

import json
import ssl
import urllib.error
import urllib.request


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    def __init__(self, url, ca, token):
        self.url, self.token = url, token
        self.tls = ssl.create_default_context(cafile=ca)

    def ask(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode("utf-8", "replace")[:500]) from None

    def get(self, path):
        return self.ask("GET", path)

    def items(self, path):
        return self.get(path)["items"]

    def find(self, path):
        """The object, or None where there is none."""
        try:
            return self.get(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def create(self, path, body):
        return self.ask("POST", path, body)

    def merge(self, path, body):
        return self.ask("PATCH", path, body, "application/strategic-merge-patch+json")

    def delete(self, path, body=None):
        try:
            return self.ask("DELETE", path, body)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise
