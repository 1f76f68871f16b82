"""How each proxy is started with the files that users copy. Only addresses and paths are replaced, and each must be there."""

import os


class Broken:
    """A mistake that the journey has to notice, in its part `part` (none: doctor alone is asked): texts of the files, and what
    stands there instead; `gateway` is the same for doorward.yaml. `doctor` is what `doorward doctor` has to find, and all of it;
    nothing where it cannot be seen from outside."""

    def __init__(self, what, part, *changes, doctor=(), gateway=()):
        self.what, self.part, self.changes, self.doctor, self.gateway = what, part, changes, set(doctor), gateway


# The gateway's own mistakes, the same behind every proxy.
HTTP_EXTERNAL_URL = Broken("the external URL is http", None, doctor=["scheme", "login"],
                           gateway=[('external_url: "https://', 'external_url: "http://')])


class Setup:
    def __init__(self, files, command, replaced, broken, written=None):
        self.files, self.command, self.replaced, self.written = files, command, replaced, written or {}
        self.broken = [*broken, HTTP_EXTERNAL_URL]

    def prepare(self, root, folder, ports, program, changes=()):
        """Writes the files into `folder`; the command that starts the proxy there."""
        values = {**{key: str(port) for key, port in ports.items()}, "dir": str(folder), "program": program}
        missing = {**self.replaced, **dict(changes)}
        for source, name in self.files.items():
            text = (root / "deployment" / source).read_text()
            for old, new in changes:
                if old in text:
                    missing.pop(old, None)
                    text = text.replace(old, new)
            for old, new in self.replaced.items():
                if old in text:
                    missing.pop(old, None)
                    text = text.replace(old, new.format(**values))
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        if missing:
            raise SystemExit(f"FAIL deployment/ has no longer what is replaced for the test: {list(missing)}")
        for name, text in self.written.items():
            user = "user root;" if os.geteuid() == 0 else ""
            (folder / name).write_text(text.replace("@DIR@", str(folder)).replace("@USER@", user))
        return [part.format(**values) for part in self.command]


# As root its workers would be somebody who may not write into the folder.
NGINX_MAIN = """
@USER@
daemon off;
pid @DIR@/nginx.pid;
error_log stderr notice;
events {}
http {
    access_log off;
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    include @DIR@/doorward.conf;
}
"""

SETUPS = {
    "nginx": Setup(
        files={"nginx/doorward.conf": "doorward.conf"},
        written={"nginx.conf": NGINX_MAIN},
        command=["{program}", "-e", "stderr", "-p", "{dir}", "-c", "{dir}/nginx.conf"],
        replaced={
            "listen 80;": "listen 127.0.0.1:{http};",
            "listen 443 ssl http2;": "listen 127.0.0.1:{port} ssl http2;",
            "127.0.0.1:8000": "127.0.0.1:{doorward}",
            "127.0.0.1:8081": "127.0.0.1:{foo}",
            "/etc/ssl/certs/example.pem": "{dir}/site.pem",
            "/etc/ssl/private/example.key": "{dir}/site.key",
        },
        broken=[
            Broken("a location does not ask", "refusals", ("auth_request /.doorward;", "auth_request off;"), doctor=["asked", "credentials"]),
            Broken("an identity header is left out", "spoofing", ("proxy_set_header X-Auth-Roles       $doorward_roles;", ""), doctor=["identity-headers"]),
            Broken("the tidied path is served", "paths", ("proxy_pass http://foo;", "proxy_pass http://foo/;")),
            Broken("another host is served", "hosts", ("proxy_set_header Host               $http_host;", "")),
            Broken("answers are kept back", "events", ("proxy_buffering off; ", "")),
            Broken("the session cookie goes on", "credentials_stay", ("proxy_set_header Cookie             $doorward_cookie;", ""), doctor=["credentials"]),
            Broken("the sign-in is not routed", None, ("location ^~ /rbac/ {", "location ^~ /elsewhere/ {"), doctor=["login"]),
            Broken("the question is routed", None, ("location = /rbac {", "location /auth { auth_request off; proxy_pass http://doorward; }\n    location = /rbac {"),
                   doctor=["inside-routes"]),
            Broken("aliases are let through", None, ("underscores_in_headers off;", "underscores_in_headers on;"), doctor=["aliases"]),
        ],
    ),
    "caddy": Setup(
        files={"caddy/Caddyfile": "Caddyfile"},
        command=["{program}", "run", "--config", "{dir}/Caddyfile", "--adapter", "caddyfile"],
        replaced={
            "email admin@example.com": "admin off\n\tdefault_bind 127.0.0.1\n\thttp_port {http}\n\thttps_port {port}",
            "auth.example.com, app.example.com {": "https://localhost, https:// {{",
            "127.0.0.1:8000": "127.0.0.1:{doorward}",
            "127.0.0.1:8081": "127.0.0.1:{foo}",
            "/etc/ssl/certs/example.pem": "{dir}/site.pem",
            "/etc/ssl/private/example.key": "{dir}/site.key",
        },
        broken=[
            Broken("a service does not ask", "refusals", ("import doorward", ""), doctor=["asked", "identity-headers", "aliases"]),
            Broken("an identity header is left out", "spoofing", ("X-Auth-Roles ", ""), doctor=["identity-headers"]),
            Broken("clients are believed", "claims", ("email admin@example.com", "email admin@example.com\n\tservers {\n\t\ttrusted_proxies static 127.0.0.1/8\n\t}"),
                   doctor=["forwarded-headers"]),
            Broken("the path is changed after it was decided on", "paths",
                   ("reverse_proxy 127.0.0.1:8081", "reverse_proxy 127.0.0.1:8081 {\n\t\t\trewrite /foo/admin\n\t\t}")),
            Broken("the session cookie goes on", "credentials_stay", ("copy_headers Cookie Authorization", ""), doctor=["credentials"]),
            Broken("the sign-in is not routed", None, ("^/rbac(/", "^/elsewhere(/"), doctor=["login"]),
            Broken("the question is routed", None, ("^/rbac(/", "^/(rbac|auth)(/"), doctor=["inside-routes"]),
        ],
    ),
    "envoy": Setup(
        files={"envoy/envoy.yaml": "envoy.yaml"},
        command=["{program}", "-c", "{dir}/envoy.yaml", "--use-dynamic-base-id", "--concurrency", "2", "-l", "warning"],
        replaced={
            "address: 0.0.0.0, port_value: 443": "address: 127.0.0.1, port_value: {port}",
            "address: 0.0.0.0, port_value: 80": "address: 127.0.0.1, port_value: {http}",
            "port_value: 8000": "port_value: {doorward}",
            "port_value: 8081": "port_value: {foo}",
            '["auth.example.com", "auth.example.com:*", "app.example.com", "app.example.com:*"]': '["*"]',
            "/etc/ssl/certs/example.pem": "{dir}/site.pem",
            "/etc/ssl/private/example.key": "{dir}/site.key",
        },
        broken=[
            Broken("a service does not ask", "refusals",
                   ("match: { prefix: / }\n                          route", "match: { prefix: / }\n                          typed_per_filter_config: *open\n                          route"), doctor=["asked", "aliases"]),
            Broken("an identity header is left out", "spoofing", ("- remove: x-auth-roles", ""), ("- { exact: x-auth-roles }", ""), doctor=["identity-headers"]),
            Broken("doorward is not shown all headers", "spoofing", ('[{ safe_regex: { regex: ".*" } }]', "[{ exact: cookie }]"), doctor=["headers-shown", "aliases"]),
            Broken("clients are believed", "claims", ("use_remote_address: true", "use_remote_address: false"), doctor=["forwarded-headers", "client-address"]),
            Broken("the path is changed after it was decided on", "paths", ("timeout: 0s }", 'timeout: 0s, prefix_rewrite: /foo/admin/ }')),
            Broken("failures let through", "outages", ("failure_mode_allow: false", "failure_mode_allow: true")),
            Broken("the session cookie goes on", "credentials_stay", ("- { exact: cookie }", ""), doctor=["credentials"]),
            Broken("the sign-in is not routed", None, ("prefix: /rbac/", "prefix: /elsewhere/"), doctor=["login"]),
            Broken("the question is routed", None, ("prefix: /rbac/ }", "safe_regex: { regex: \"/(rbac|auth)/?.*\" } }"), doctor=["inside-routes"]),
            Broken("aliases are let through", None, ("headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW"), doctor=["aliases"]),
        ],
    ),
    "traefik": Setup(
        files={"traefik/traefik.yaml": "traefik.yaml", "traefik/dynamic/doorward.yaml": "dynamic/doorward.yaml"},
        command=["{program}", "--configFile={dir}/traefik.yaml"],
        replaced={
            '":80"': "127.0.0.1:{http}",
            '":443"': "127.0.0.1:{port}",
            "to: websecure,": 'to: ":{port}",',
            "/etc/traefik/dynamic\n": "{dir}/dynamic\n",
            "127.0.0.1:8000": "127.0.0.1:{doorward}",
            "127.0.0.1:8081": "127.0.0.1:{foo}",
            "(Host(`auth.example.com`) || Host(`app.example.com`))": "PathPrefix(`/`)",
            "rule: Host(`app.example.com`)": "rule: PathPrefix(`/`)",
            "/etc/ssl/certs/example.pem": "{dir}/site.pem",
            "/etc/ssl/private/example.key": "{dir}/site.key",
        },
        broken=[
            Broken("a service does not ask", "refusals", ("middlewares: [doorward] ", "middlewares: [] "), doctor=["asked", "identity-headers"]),
            Broken("an identity header is left out", "spoofing", ("- X-Auth-Roles", ""), doctor=["identity-headers"]),
            Broken("clients are believed", "claims", ("trustedIPs: []", "trustedIPs: [127.0.0.0/8]"), doctor=["forwarded-headers"]),
            Broken("the session cookie goes on", "credentials_stay", ("- Cookie", ""), doctor=["credentials"]),
            Broken("the sign-in is not routed", None, ("(Path(`/rbac`) || PathPrefix(`/rbac/`))", "PathPrefix(`/elsewhere/`)"), doctor=["login"]),
            Broken("the question is routed", None, ("PathPrefix(`/rbac/`)", "PathPrefix(`/rbac/`) || PathPrefix(`/auth`)"), doctor=["inside-routes"]),
            Broken("aliases are let through", None, ("aliasHeadersStrategy: reject", "aliasHeadersStrategy: keep"), doctor=["aliases"]),
        ],
    ),
}
