#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""As much of Keystone and Nova as one server's power needs, for tests where the packaged ones are too heavy.

    nova.py PORT PASSWORD LOG [KEYSTONE]

Written from the API reference: a token for user "ns", a catalogue, the microversion, servers by name and by id, the actions
os-stop, os-start and reboot with their records (os-instance-actions). A stop or a start takes half a second, in which the
server has a task and refuses others (409). LOG gets a line for each action. The server is web-1.

With KEYSTONE, the URL of a real one, tokens are its affair: each that comes is shown to it.
"""
import json
import sys
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, PASSWORD, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
KEYSTONE = sys.argv[4] if len(sys.argv) > 4 else None
URL = "http://127.0.0.1:%d" % PORT
ID = "9a1b2c3d-0000-4000-8000-000000000001"
TAKES = 0.5
ACTIONS = {"os-stop": ("ACTIVE", "SHUTOFF", "powering-off"), "os-start": ("SHUTOFF", "ACTIVE", "powering-on"),
           "reboot": ("ACTIVE", "ACTIVE", "rebooting")}
state = {"status": "ACTIVE", "task": None, "due": 0, "next": None}
records = {}


def settle():
    if state["task"] and time.time() >= state["due"]:
        state.update(status=state["next"], task=None)
        for record in records.values():
            for event in record["events"]:
                event["result"] = event["result"] or "Success"


def server():
    return {"id": ID, "name": "web-1", "status": state["status"], "OS-EXT-STS:task_state": state["task"],
            "OS-EXT-STS:power_state": 1 if state["status"] == "ACTIVE" else 4, "OS-EXT-SRV-ATTR:host": "c1"}


def valid(token):
    if KEYSTONE is None:
        return token == "tok-1"
    request = urllib.request.Request(KEYSTONE + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return False


class Peer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body=None, **headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def known(self):
        if valid(self.headers.get("X-Auth-Token", "")):
            return True
        self.say(401, {"error": {"code": 401, "message": "The request you have made requires authentication."}})
        return False

    def do_GET(self):
        settle()
        path = self.path.split("?")[0]
        if path == "/v2.1/":
            return self.say(200, {"version": {"id": "v2.1", "version": "2.93", "min_version": "2.1"}})
        if not self.known():
            return None
        if path == "/v2.1/servers/detail":
            return self.say(200, {"servers": [server()] if "name=web-1" in self.path else []})
        if path == "/v2.1/servers/" + ID:
            return self.say(200, {"server": server()})
        if path.startswith("/v2.1/servers/%s/os-instance-actions/" % ID) and path.split("/")[-1] in records:
            return self.say(200, {"instanceAction": records[path.split("/")[-1]]})
        return self.say(404, {"itemNotFound": {"code": 404, "message": "%s could not be found." % path}})

    def do_POST(self):
        settle()
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == "/v3/auth/tokens":
            user = body["auth"]["identity"].get("password", {}).get("user", {})
            if user.get("name") != "ns" or user.get("password") != PASSWORD:
                return self.say(401, {"error": {"code": 401, "message": "The request you have made requires authentication."}})
            catalog = [{"type": "compute", "endpoints": [{"interface": "public", "region_id": "R1", "url": URL + "/v2.1"}]}]
            token = {"expires_at": "2036-01-01T00:00:00.000000Z", "roles": [{"name": "member"}], "catalog": catalog}
            return self.say(201, {"token": token}, X_Subject_Token="tok-1")
        if not self.known():
            return None
        name = next(iter(body))
        if self.path != "/v2.1/servers/%s/action" % ID or name not in ACTIONS:
            return self.say(400, {"badRequest": {"code": 400, "message": "There is no such action: %s" % name}})
        wanted, then, task = ACTIONS[name]
        if state["task"] or state["status"] != wanted:
            return self.say(409, {"conflictingRequest": {"code": 409, "message": "Cannot '%s' instance %s while it is in "
                                                         "vm_state %s" % (name, ID, state["status"])}})
        request = "req-%08x-0000-4000-8000-000000000000" % (len(records) + 1)
        records[request] = {"action": name, "message": None, "request_id": request,
                            "events": [{"event": "compute__do_" + name, "result": None}]}
        state.update(task=task, due=time.time() + TAKES, next=then)
        with open(LOG, "a") as log:
            log.write(name + "\n")
        return self.say(202, None, x_openstack_request_id=request)


ThreadingHTTPServer(("127.0.0.1", PORT), Peer).serve_forever()
