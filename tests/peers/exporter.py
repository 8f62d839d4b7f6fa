# SPDX-License-Identifier: Apache-2.0
# An exporter whose text is FOLDER/metrics: exporter.py FOLDER CONTENT-TYPE [TOKEN]. Its port is in FOLDER/port when it listens.
import http.server, os, sys

folder, content_type = sys.argv[1:3]
wanted = "Bearer " + sys.argv[3] if len(sys.argv) > 3 else None


class Exporter(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a):
        pass

    def do_GET(self):
        body = open(folder + "/metrics").read().encode()
        self.send_response(200 if wanted in (None, self.headers.get("authorization", "")) else 401)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
with open(folder + "/port.tmp", "w") as file:
    file.write(str(server.server_port))
os.rename(folder + "/port.tmp", folder + "/port")
server.serve_forever()
