"""What attackers write: spellings of paths, hosts, headers, framing. `HOST` is where the site is (host:port)."""

IDENTITY = [
    "X-Auth-User", "X-User-Id", "X-Auth-Email", "X-Auth-Name", "X-Auth-Roles", "X-Auth-Permissions", "X-Auth-Method",
    "X-Auth-Assertion",
]

# Roads to /foo/admin that begin as something else, and spellings of it.
PATHS = r"""
/foo/public/../admin/x
/foo/public/./../admin
/foo/public/x/../../admin
/public/../foo/admin/x
/foo/public/%2e%2e/admin
/foo/public/%2E%2E/admin
/foo/public/.%2e/admin
/foo/public/%2e./admin
/foo/public/%2e/../admin
/foo/public/..%2fadmin
/foo/public%2f..%2fadmin
/foo/public/%2e%2e%2Fadmin
/foo/public/x%2f..%2f..%2fadmin
/foo%2fadmin/x
/foo/admin%2fx
/foo/public/%252e%252e%252fadmin
/foo/public/..%252fadmin
/foo/%2561dmin/x
//foo/admin/x
/foo//admin/x
/foo/public//..//admin
///foo/admin
//HOST/foo/public/x
//HOST/foo/public/../admin
/foo/admin#/foo/public/x
/foo/public#/../admin
/foo/public/#/../../admin
/foo/public%23/../../admin
/foo/public/..%23/admin
/foo/admin?x=/foo/public/
/foo/admin?/foo/public/a
/foo/admin%3f/foo/public/a
/foo/public%3f/../admin
/foo/admin?/../public/
/foo/public/../admin?
/foo/%61dmin/x
/foo/adm%69n/x
/foo/%41DMIN/x
/%66oo/admin/x
/foo/public/..\admin
/foo/public\..\admin
/foo/public/%5c..%5cadmin
/foo/public/..%5Cadmin
/foo\admin
\foo\admin
/foo/admin
/foo/admin/
/foo/admin/.
/foo/admin//
/foo/admin?
/foo/./admin
/foo/ADMIN/x
/FOO/public/../admin
/foo/admin;x=1
/foo/admin;/x
/foo/public/..;/admin
/foo/public;/../admin
/foo/public/x;/..;/..;/admin
/foo/admin%00
/foo/public/%00/../../admin
/foo/admin%0a
/foo/admin%0d%0aX-Auth-User:%20root
/foo/admin%09/x
/foo/public/%c0%ae%c0%ae/admin
/foo/public/%uff0e%uff0e/admin
/foo/public/..%ef%bc%8fadmin
/foo/public/%
/foo/public/%2
/foo/public/%zz
/foo/public/%ff
/foo/publicity
/foo/public.evil
/foo/public-old/x
/foo/public%20/x
/foo/public/a%2520b
/opaque/a%2Fb/..%2f..%2ffoo%2fadmin
/opaque/../foo/admin
/opaque/%2e%2e/foo/admin
/opaque/..%5cfoo%5cadmin
/opaque//foo/admin
http://HOST/foo/admin/x
http://other.example.test/foo/admin/x
https://HOST/foo/public/../admin/x
http://open.apps.example.test/foo/admin
http://secret.apps.example.test/x
*
foo/admin
""".split()

# Bytes that no request target may have.
BYTES = [b"/foo/public/\xff", b"/foo/public/\x01", b"/foo/public/\x7f", b"/foo/public/\xe2\x80\xae", b"/foo/public/\t", b"/foo/a b"]

# Paths that are what they seem, and must arrive as they are.
ORDINARY = [
    "/foo/caf%C3%A9/a%20b",
    "/foo/docs/v1.2/..hidden/file.tar.gz",
    "/foo/a/.well-known/x",
    "/foo/x?next=/foo/admin&u=..%2f..%2fadmin&v=a//b&w=%zz",
    "/foo/~alice/(1)/a,b",
    "/foo/a+b/@me/$x/!",
    "/foo/public/a=b&c:d",
    "/foo/q?",
    "/foo/q?a?b",
]

# (host, path): nobody may get through any of these, except where the last says so.
HOSTS = [
    (host, path, False)
    for path in ("/x", "/foo/admin")
    for host in (
        "SECRET.Apps.Example.Test", "secret.APPS.example.test", "secret.apps.example.test.", "secret.apps.example.test..",
        "secret.apps.example.test:443", "secret.apps.example.test:8443", "secret.apps.example.test:0", "secret.apps.example.test:99999",
        "secret.apps.example.test:", "secret.apps.example.test:443:443", "secret.apps.example.test:0443",
        "evilapps.example.test", "apps.example.test", ".apps.example.test", "x..apps.example.test",
        "x.apps.example.test.evil.test", "nohost.example.test", "evil.test", "open.apps.example.test, secret.apps.example.test",
        "open.apps.example.test,", "open.apps.example.test@secret.apps.example.test", "open.apps.example.test/x", "open.apps.example.test#x",
        "open.apps.example.test?x", "open.apps.example.test\\x", "open%2eapps.example.test", "[::1]", "[::1", "", "\xe9.apps.example.test",
        "open_x!.apps.example.test",
    )
] + [("open.apps.example.test", "/x", True), ("OPEN.apps.example.test", "/x", True), ("open.apps.example.test:8443", "/x", True)]

# What a client may claim about its request.
CLAIMS = [
    "X-Forwarded-Uri: /foo/public/x", "X-Forwarded-Prefix: /foo/public", "X-Forwarded-Method: OPTIONS",
    "X-Forwarded-Host: open.apps.example.test", "X-Forwarded-Proto: http", "X-Forwarded-Proto: https", "X-Forwarded-Proto: ws",
    "X-Forwarded-Scheme: http", "X-Forwarded-Port: 80", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.9", "X-Real-Ip: 127.0.0.1", "X-Forwarded-Server: x",
    "Forwarded: for=127.0.0.1;host=open.apps.example.test;proto=http",
    "X-Original-URL: https://open.apps.example.test/x", "X-Original-Url: /foo/public/x", "X-Original-Uri: /foo/public/x",
    "X-Original-Method: OPTIONS", "X-Rewrite-URL: /foo/public/x", "X-Envoy-Original-Path: /foo/public/x",
    "X-Envoy-Decorator-Operation: x", "X-Envoy-Internal: true", "X-Envoy-Auth-Headers-To-Remove: cookie", "X-HTTP-Method-Override: OPTIONS",
    "X-Accel-Redirect: /foo/public/x", "X-Doorward: 1", "Host: open.apps.example.test",
    "X_Forwarded_Uri: /foo/public/x", "X.Forwarded.Uri: /foo/public/x", "X_Forwarded_Host: open.apps.example.test",
    "X_Original_URL: https://open.apps.example.test/x", "X-Forwarded-Uri : /foo/public/x", " X-Forwarded-Uri: /foo/public/x",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
]

# Taken off a message when named in `Connection` (RFC 9110 section 7.6.1), by whoever obeys it blindly.
HOP_BY_HOP = [
    "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-URL", "X-Auth-User", "X-Auth-Roles",
    "Cookie", "Host",
]

# Roads past the proxy's routes to what of doorward is for the inside.
INSIDE = r"""
/auth
/auth/
/auth/nginx
/auth/envoy/foo/public/x
/authenticate
/authorize
/access/v1/evaluation
/healthz
/readyz
/metrics
/.doorward
/rbac/../auth
/rbac/%2e%2e/auth
/rbac/..%2fauth
/rbac%2f..%2fauth
/rbac//../auth
/rbac/x/../../auth
/rbac/..;/auth
/rbac/..\auth
/rbac/..%5cauth
//auth
/auth/../rbac/../auth
/auth/envoy/../../rbac/
/auth/envoy/..%2f..%2frbac/x
/auth/nginx/../../rbac/
/healthz/../rbac/x
/rbac/../metrics
/RBAC/../auth
""".split()


def aliases(name):
    """Names that a careless service reads as `name`."""
    first = name.replace("-", "_", 1)
    return [name.replace("-", sign) for sign in "_.!~+"] + [name.lower().replace("-", "_"), first, name.replace("-", ".", 1)]
