"""The service behind the proxy: notes what it is asked for, byte for byte, and answers as services do. Standard library only.

Not http.server, which reads request lines its own way: what counts here is what the proxy wrote."""

import base64
import hashlib
import json
import socket
import threading

BLOCK = bytes(range(256)) * 256  # 64 KiB
LARGE = 1600  # blocks: 100 MiB


def large_blocks():
    return (BLOCK for _ in range(LARGE))


class Service:
    """Listens on loopback. `seen` has a dict for each request: method, target, headers, length, sha256."""

    def __init__(self, port):
        self.seen = []
        self.go_on = threading.Event()  # the client has the event that was sent last
        self.buffered = False
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            threading.Thread(target=self._serve, args=(listener.accept()[0],), daemon=True).start()

    def _serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb", buffering=1 << 20) as lines:
            try:
                while self._one(connection, lines):
                    pass
            except (OSError, ValueError):
                pass  # the proxy went away, or wrote what is no HTTP

    def _one(self, out, lines):
        first = lines.readline()
        if not first.strip():
            return False
        method, target, _ = first.decode("latin-1").rstrip("\r\n").split(" ", 2)
        headers = []
        while (line := lines.readline().decode("latin-1").rstrip("\r\n")):
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        request = {"method": method, "target": target, "headers": headers}
        self.seen.append(request)
        request |= self._body(lines, dict(headers))
        path = target.split("?")[0]
        if path.endswith("/ws"):
            return self._websocket(out, lines, dict(headers))
        if path.endswith("/events"):
            return self._events(out)
        if path.endswith("/large"):
            out.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % (LARGE * len(BLOCK)))
            for block in large_blocks():
                out.sendall(block)
            return True
        body = json.dumps(request).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Service: foo\r\nContent-Length: %d\r\n\r\n" % len(body)
        out.sendall(head if method == "HEAD" else head + body)
        return True

    @staticmethod
    def _body(lines, headers):
        length, digest = 0, hashlib.sha256()

        def take(size):
            nonlocal length
            while size > 0:
                part = lines.read(min(size, 1 << 20))
                if not part:
                    raise ValueError("the body stopped in the middle")
                length += len(part)
                size -= len(part)
                digest.update(part)

        if headers.get("transfer-encoding", "").lower() == "chunked":
            while (size := int(lines.readline().split(b";")[0], 16)):
                take(size)
                lines.readline()
            while lines.readline().strip():
                pass
        else:
            take(int(headers.get("content-length", "0")))
        return {"length": length, "sha256": digest.hexdigest()}

    def _events(self, out):
        """The next event is sent when the client says that it has the last one: a proxy that keeps them back is found out."""
        out.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n")
        for number in range(4):
            self.go_on.clear()
            out.sendall(b"data: %d\n\n" % number)
            if not self.go_on.wait(10):
                self.buffered = True
                break
        return False

    @staticmethod
    def _websocket(out, lines, headers):
        if headers.get("upgrade", "").lower() != "websocket":
            out.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
            return True
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
        out.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while (start := lines.read(2)) and start[0] & 15 == 1:
            mask = lines.read(4)
            text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(lines.read(start[1] & 127)))
            out.sendall(bytes([0x81, len(text)]) + text)
        return False


def impostor(port, answer):
    """Listens where doorward should, and gives this answer to everything; None resets the connection. Returns the listener."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # closed: it is over
            with connection:
                try:
                    connection.settimeout(5)
                    connection.recv(65536)
                    if answer is None:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    else:
                        connection.sendall(answer)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    return listener
