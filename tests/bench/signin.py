"""The little of a browser that a sign-in needs: follow redirects, keep cookies."""

import http.client
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit


def cookie(address, name):
    """Follows a sign-in that asks nothing to its end; the cookie called `name`, as `name=value`."""
    jar = {}
    for _ in range(10):
        url = urlsplit(address)
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
        headers = {"Accept": "text/html", "Cookie": "; ".join(jar.values())}
        connection.request("GET", url._replace(scheme="", netloc="").geturl(), headers=headers)
        answer = connection.getresponse()
        answer.read()
        for line in answer.headers.get_all("set-cookie") or []:
            for morsel in SimpleCookie(line).values():
                jar[morsel.key] = f"{morsel.key}={morsel.coded_value}"
        if name in jar and jar[name] != f"{name}=":
            return jar[name]
        location = answer.headers["location"]
        assert location, f"the sign-in ends at {address} with {answer.status} and no cookie {name}"
        address = urljoin(address, location)
    raise AssertionError("the sign-in goes round in circles")


def send(port, request):
    """Sends the first of these requests as it stands; status, headers by lower-case name, body."""
    head, _, _ = request.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for line in lines:
        connection.putheader(*line.split(": ", 1))
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
