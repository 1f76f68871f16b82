"""Doorward against npm's certified oidc-provider: discovery, PKCE, ID token, UserInfo, sign-out at both ends.

    journey.py DOORWARD_URL PROVIDER_URL

The proxy is played by this program: it asks /auth as Traefik would, from loopback."""

import json
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from browser import Browser, Checks, eventually  # noqa: E402

DOORWARD, PROVIDER = sys.argv[1:3]
HERE = urllib.parse.urlsplit(DOORWARD)
checks = Checks()
check = checks.check


def auth(browser, path="/foo/?a=1&b=2", **headers):
    """What the proxy is told about a request of this browser."""
    forwarded = {
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Proto": HERE.scheme,
        "X-Forwarded-Host": HERE.netloc,
        "X-Forwarded-Uri": path,
    }
    return browser.get(f"{DOORWARD}/auth", {**forwarded, **headers})


def sign_in(browser, login, path="/foo/?a=1&b=2"):
    """From the proxy's 302 through the provider's own pages to the redirect back to the address asked for."""
    page = browser.follow(browser.get(auth(browser, path).location))
    for _ in range(4):
        assert page.url.startswith(PROVIDER), f"not a page of the provider: {page}"
        # A page of the provider has one form: the sign-in, then the consent.
        form = page.forms()[0]
        typed = {"login": login, "password": "anything"} if "login" in form["fields"] else {}
        page = browser.follow(browser.submit(page, form, typed), until=f"{DOORWARD}/foo")
        if page.url.startswith(DOORWARD):
            return page
    raise AssertionError(f"the provider does not send the browser back: {page}")


ready = eventually(20, lambda: json.loads(Browser().get(f"{DOORWARD}/readyz").text)["ready"])
check("doorward is ready", ready, "it is not after 20 s")

ada = Browser()
challenge = auth(ada)
check("anonymous: the proxy is told to redirect to the sign-in", challenge.status == 302, challenge)
start = ada.get(challenge.location)
asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(start.location or "").query))
check(
    "discovery: the browser goes to the provider's authorization endpoint",
    start.status == 302 and start.location.startswith(f"{PROVIDER}/auth?"),
    start,
)
check(
    "the request has PKCE (S256), state and nonce",
    asked.get("code_challenge_method") == "S256" and len(asked.get("code_challenge", "")) == 43
    and len(asked.get("state", "")) >= 20 and len(asked.get("nonce", "")) >= 20 and asked.get("response_type") == "code",
    sorted(asked),
)

back = sign_in(ada, "ada")
check("signed in: back to exactly the address asked for", back.location == f"{DOORWARD}/foo/?a=1&b=2", back)
callback = next(url for url in ada.seen if url.startswith(f"{DOORWARD}/rbac/callback"))
check("the callback names the issuer (RFC 9207)", "iss=" in callback, callback)
allowed = auth(ada)
check("the proxy is told to let her through", allowed.status == 200, allowed)
said = {name: allowed.header(name) for name in ("X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Method")}
check(
    "who she is: from the ID token, and from UserInfo what it does not have",
    said == {
        "X-Auth-User": "ada@example.com", "X-User-Id": "ada", "X-Auth-Email": "ada@example.com",
        "X-Auth-Name": "Person%20ada%20%C3%91and%C3%BA", "X-Auth-Method": "session",
    },
    said,
)

replayed = ada.get(callback)
check("the callback replayed in the session just goes on", replayed.status == 302 and replayed.location.startswith(DOORWARD)
      and "/login" not in replayed.location, replayed)
stolen = Browser().get(callback)
check("the callback in another browser is refused, and signs nobody in", stolen.status == 400, stolen)

bob = Browser()
sign_in(bob, "bob", "/foo/bob")
check("another browser, another person", auth(bob).header("X-User-Id") == "bob" and auth(ada).header("X-User-Id") == "ada",
      auth(bob).header("X-User-Id"))

unverified = Browser()
page = unverified.follow(unverified.get(auth(unverified).location))
for _ in range(2):
    form = page.forms()[0]
    page = unverified.follow(unverified.submit(page, form, {"login": "unverified", "password": "x"} if "login" in form["fields"] else {}))
check("an e-mail that nobody verified is refused with a page", page.url.startswith(DOORWARD) and page.status == 403, page)
check("and leaves no session", auth(unverified).status == 302, auth(unverified))

denied = Browser()
page = denied.follow(denied.get(auth(denied).location))
abort = next((url for url in page.text.split('"') if url.endswith("/abort")), None)
page = denied.follow(denied.get(urllib.parse.urljoin(page.url, abort))) if abort else page
check("cancelled at the provider: a page that says so, not a loop", abort and page.url.startswith(DOORWARD) and page.status == 403, page)

# Sign-out: Doorward's button, the provider's question, back again. The provider tells Doorward by back channel too.
ask = ada.get(f"{DOORWARD}/rbac/logout")
form = next(form for form in ask.forms() if "csrf" in form["fields"])
kept = ada.cookie(HERE.hostname, "doorward")
out = ada.submit(ask, form)
check(
    "sign-out goes on to the provider, with the ID token as the hint",
    out.status == 303 and out.location.startswith(f"{PROVIDER}/session/end?") and "id_token_hint=" in out.location,
    out,
)
check("signed out here at once", auth(ada).status == 302, auth(ada))
thief = Browser()
check("a copy of the cookie is worth nothing any more", auth(thief, Cookie=f"doorward={kept}").status == 302, "it still is")
question = ada.follow(out)
form = question.forms()[0]
done = ada.follow(ada.submit(question, form, {"logout": "yes"}))
check("and back to Doorward's page that says it is done", done.url.startswith(f"{DOORWARD}/rbac/logout") and done.status == 200, done)
again = ada.follow(ada.get(auth(ada).location))
check("the provider asks who it is again", again.url.startswith(PROVIDER) and "login" in again.forms()[0]["fields"], again)

# Bob signs out at the provider alone: its logout token ends his session here.
check("bob is still signed in", auth(bob).status == 200, auth(bob))
page = bob.follow(bob.get(f"{PROVIDER}/session/end"))
bob.follow(bob.submit(page, page.forms()[0], {"logout": "yes"}))
check("signed out at the provider: the back channel ends the session here", eventually(5, lambda: auth(bob).status == 302), auth(bob))

sys.exit(checks.failed)
