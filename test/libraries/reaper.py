"""
A stand-in for the image testcontainers/ryuk, which cannot be had without a registry: not that program, but one that keeps to
what its documentation promises. Clients connect to port 8080 and send filters as lines (`label=KEY=VALUE`, several joined
by `&`); each is answered with ACK. When no client has been connected for a while, everything that fits a filter is removed,
through the Docker socket that is mounted at /var/run/docker.sock.
"""

import http.client
import json
import os
import socket
import socketserver
import sys
import threading
import time
import urllib.parse


def seconds(text):
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.rstrip("s"))


RECONNECTION = seconds(os.environ.get("RYUK_RECONNECTION_TIMEOUT", "10s"))
CONNECTION = seconds(os.environ.get("RYUK_CONNECTION_TIMEOUT", "60s"))
filters = set()
clients = 0
last_change = time.monotonic()
state = threading.Condition()


class Docker(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("docker", timeout=120)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")

    def call(self, method, path):
        self.request(method, path)
        answer = self.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == 200 and body else None


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        global clients, last_change
        with state:
            clients += 1
        for line in self.rfile:
            wanted = sorted(part for part in line.decode().strip().split("&") if part)
            if wanted:
                with state:
                    filters.add(tuple(wanted))
            self.wfile.write(b"ACK\n")
        with state:
            clients -= 1
            last_change = time.monotonic()
            state.notify()


def reap():
    docker = Docker()
    for wanted in filters:
        query = {}
        for part in wanted:
            kind, _, value = part.partition("=")
            query.setdefault(kind, []).append(value)
        encoded = urllib.parse.quote(json.dumps(query))
        for container in docker.call("GET", f"/containers/json?all=1&filters={encoded}") or []:
            if container["Id"].startswith(socket.gethostname()):
                continue
            docker.call("DELETE", f"/containers/{container['Id']}?force=1&v=1")
        docker.call("POST", f"/networks/prune?filters={encoded}")
        docker.call("POST", f"/volumes/prune?filters={encoded}")
        docker.call("POST", f"/images/prune?filters={encoded}")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


server = Server(("", 8080), Client)
threading.Thread(target=server.serve_forever, daemon=True).start()
# It can be told at once that the socket is the daemon's.
assert Docker().call("GET", "/version")["ApiVersion"]
print("Started", flush=True)
with state:
    while clients > 0 or time.monotonic() - last_change < (RECONNECTION if filters else CONNECTION):
        state.wait(0.2)
reap()
print("removed what was left", flush=True)
sys.exit(0)
