#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Redfish service that answers what a file of real resources says: redfish_mockup.py FILE.jsonl ADDRESS FOLDER.

Its port is written to FOLDER/port. FOLDER/change.json ({PATH: {MEMBER: VALUE}}) is laid over resources; FOLDER/asked has the
paths that were asked for, with how they were answered.
"""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

resources = {}
with open(sys.argv[1]) as lines:
    for line in lines:
        entry = json.loads(line)
        resources[entry["uri"].rstrip("/")] = entry["body"]
folder = sys.argv[3]
asked = open(os.path.join(folder, "asked"), "a", buffering=1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        body = resources.get(path)
        change = os.path.join(folder, "change.json")
        forced = None
        if body is not None and os.path.exists(change):
            with open(change) as file:
                body = {**body, **json.load(file).get(path, {})}
            forced = body.pop("status", None)
        text = b"{}" if body is None else json.dumps(body).encode()
        etag = 'W/"%08x"' % (hash(text) & 0xFFFFFFFF)
        status = 404 if body is None else 304 if self.headers.get("If-None-Match") == etag else 200
        status = forced or status
        text = b"" if status == 304 else text
        print(status, path, file=asked)
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


server = ThreadingHTTPServer((sys.argv[2], 0), Handler)
with open(os.path.join(folder, "port.new"), "w") as file:
    file.write(str(server.server_address[1]))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
