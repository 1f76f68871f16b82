"""How each proxy is started with the files that users copy. Only addresses and paths are replaced, and each must be there."""

import os


class Setup:
    def __init__(self, files, command, replaced, written=None):
        self.files, self.command, self.replaced, self.written = files, command, replaced, written or {}

    def prepare(self, root, folder, ports, program):
        """Writes the files into `folder`; the command that starts the proxy there."""
        values = {**{key: str(port) for key, port in ports.items()}, "dir": str(folder), "program": program}
        missing = dict(self.replaced)
        for source, name in self.files.items():
            text = (root / "deployment" / source).read_text()
            for old, new in self.replaced.items():
                if old in text:
                    missing.pop(old, None)
                    text = text.replace(old, new.format(**values))
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
    ),
}
