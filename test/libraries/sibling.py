"""In a container with the daemon's socket: starts a sibling, hears through an attachment what it says, and waits for it."""

import http.client
import json
import socket
import sys


class Docker(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/run/docker.sock")


def call(method, path, body=None):
    docker = Docker("docker")
    docker.request(method, path, body=None if body is None else json.dumps(body), headers={"Content-Type": "application/json"})
    answer = docker.getresponse()
    data = answer.read()
    return answer.status, json.loads(data) if data else None


mine = [c["Names"][0] for c in call("GET", "/containers/json")[1] if c["Id"].startswith(socket.gethostname())]
status, made = call("POST", "/containers/create?name=sibling", {
    "Image": "busybox", "Cmd": ["sh", "-c", "wc -c; exit 6"], "OpenStdin": True, "StdinOnce": True, "AttachStdin": True, "Tty": False})
attached = Docker("docker")
attached.connect()
attached.sock.sendall(b"POST /containers/sibling/attach?stdin=1&stdout=1&stream=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n")
call("POST", "/containers/sibling/start")
attached.sock.sendall(b"x" * 300_000)
attached.sock.shutdown(socket.SHUT_WR)
heard = b""
while True:
    piece = attached.sock.recv(65536)
    if not piece:
        break
    heard += piece
ended = call("POST", "/containers/sibling/wait")[1]["StatusCode"]
removed = call("DELETE", "/containers/sibling")[0]
json.dump({"mine": mine, "created": status, "heard": heard.split(b"\r\n\r\n", 1)[1][8:].decode().strip(), "ended": ended, "removed": removed}, sys.stdout)
