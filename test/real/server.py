import http.server
import socketserver


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one segment; two would meet Nagle's algorithm and a delayed acknowledgement.
    wbufsize = -1

    def do_GET(self):
        number = int(self.path.rsplit("/", 1)[1])
        body = ("answer %d %s\n" % (number * 7, "x" * (number % 500))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("", 8000), Answers).serve_forever()
