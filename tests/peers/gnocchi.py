# SPDX-License-Identifier: Apache-2.0
# As much of Gnocchi as Aodh asks of it: `gnocchi.py PORT FILE` answers every aggregate with three measures of the value that
# FILE holds, a second apart, or with none when it is empty.
import datetime
import http.server
import json
import pathlib
import sys

value = pathlib.Path(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"aggregation_methods": ["mean", "max"]})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        now = datetime.datetime.utcnow().replace(microsecond=0)
        text = value.read_text().strip()
        times = [(now - datetime.timedelta(seconds=i)).isoformat() + "+00:00" for i in (3, 2, 1)]
        self.answer({"measures": {"aggregated": [[at, 1.0, float(text)] for at in times] if text else []}})

    def log_message(self, form, *values):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
