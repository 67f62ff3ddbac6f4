"""A notebook: notes are kept in PostgreSQL, visits are counted in Redis."""

import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import redis

cache = redis.Redis(host=os.environ["CACHE_HOST"])


def database():
    return psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=20)


class Notebook(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/notes":
            with database() as db, db.cursor() as rows:
                rows.execute("select text from notes order by id")
                self.answer(200, [text for (text,) in rows.fetchall()])
        elif self.path == "/":
            self.answer(200, {"greeting": os.environ["GREETING"], "host": socket.gethostname(), "visits": cache.incr("visits")})
        else:
            self.answer(404, None)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with database() as db, db.cursor() as rows:
            rows.execute("insert into notes (text) values (%s) returning id", (text,))
            self.answer(201, rows.fetchone()[0])

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with database() as db, db.cursor() as rows:
        rows.execute("select pg_advisory_xact_lock(1)")
        rows.execute("create table if not exists notes (id serial primary key, text text not null)")
    print("serving", flush=True)
    ThreadingHTTPServer(("", 8000), Notebook).serve_forever()


main()
