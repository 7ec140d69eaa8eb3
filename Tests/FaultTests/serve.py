"""A server with the faults of real ones, for the download tests.

python serve.py: prints its port and the process that serves, and returns; that process serves /MODE/SIZE, SIZE
bytes of a known pattern, on 127.0.0.1, until it is killed, ten minutes at most. Modes: good (ranges), drop (ends every answer after 40,000 bytes), plain (ignores ranges),
wrong (one byte differs), longer (announces more than it has, then ends), forbidden (403), unsized (no length).
"""
import http.server
import os
import signal


def pattern(size):
    return bytes((i * 131 + i // 251) % 256 for i in range(size))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        mode, size = self.path.strip("/").split("/")[:2]
        if mode == "forbidden":
            self.send_error(403)
            return
        data = pattern(int(size))
        if mode == "wrong":
            data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        asked = self.headers.get("Range")
        start = 0
        if asked and mode != "plain":
            start = int(asked.split("=")[1].split("-")[0])
            if start >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if mode != "unsized":
            extra = 1000 if mode == "longer" else 0
            self.send_header("Content-Length", str(len(data) - start + extra))
        self.end_headers()
        if body:
            end = start + 40_000 if mode == "drop" else len(data)
            self.wfile.write(data[start:end])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # listens from here on
child = os.fork()
if child:
    print(server.server_address[1], child)
else:
    # Whoever started this waits until nobody holds what it handed down.
    os.closerange(3, server.fileno())
    os.closerange(server.fileno() + 1, 1024)
    signal.alarm(600)
    server.serve_forever()
