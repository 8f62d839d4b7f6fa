#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Function platforms on one loopback port, strict: a request that the platform would refuse is refused.

    functions.py FOLDER

Writes FOLDER/port once it listens, FOLDER/calls one line "kind verb token" for each function that ran. Which platform
is meant the path says; the function "act" does what it is told, "boom" fails, "busy" says that it is. OpenFaaS's queue
posts what a function said to X-Callback-Url, as its queue-worker does; FOLDER/callbacks has a line "function status" for
each answer to that. "mute" posts nothing, "late" after 3 seconds, "twice" twice, "other" with another X-Call-Id.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = sys.argv[1]
BASIC = "Basic " + base64.b64encode(b"uuid:s3cret-key").decode()
POWER = {"r1": "on"}
ACTIVATIONS = {}


class Refused(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def function(kind, name, call):
    for member in ("verb", "host", "token", "args", "settings"):
        if member not in call:
            raise Refused(400, "no member " + member)
    with open(os.path.join(FOLDER, "calls"), "a") as f:
        f.write("%s %s %s\n" % (kind, call["verb"], call["token"]))
    if name == "busy":
        return {"ok": False, "code": "busy", "error": "later, please", "effect_possible": False}
    POWER["r1"] = {"power.off": "off", "power.on": "on"}.get(call["verb"], POWER["r1"])
    return {"ok": True, "result": {"power": POWER["r1"]}}


def need(ok, status, words):
    if not ok:
        raise Refused(status, words)


def signature_good(handler, body):
    """AWS's own recipe, from its documentation, not from ours."""
    match = re.match(r"AWS4-HMAC-SHA256 Credential=AKID/(\d{8})/eu-west-1/lambda/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$",
                     handler.headers.get("Authorization", ""))
    if not match:
        return False
    day, signed, given = match.groups()
    path, _, query = handler.path.partition("?")
    canonical = "\n".join([handler.command, path, query] +
                          ["%s:%s" % (h, " ".join(handler.headers.get(h, "").split())) for h in signed.split(";")] +
                          ["", signed, hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", handler.headers["X-Amz-Date"], day + "/eu-west-1/lambda/aws4_request",
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4wJalr"
    for part in (day, "eu-west-1", "lambda", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), given)


def post_back(url, name, call_id, status, document):
    """OpenFaaS's queue-worker: the function's answer, with its own headers."""
    headers = {"Content-Type": "application/json", "X-Call-Id": call_id, "X-Function-Name": name,
               "X-Function-Status": str(status), "X-Duration-Seconds": "0.1"}
    request = urllib.request.Request(url, json.dumps(document).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            code = reply.status
    except urllib.error.HTTPError as error:
        code = error.code
    with open(os.path.join(FOLDER, "callbacks"), "a") as f:
        f.write("%s %d\n" % (name, code))


def queue(name, call_id, url, call):
    if name == "late":
        time.sleep(3)
    result = function("queue", name, call)
    if name == "boom":
        post_back(url, name, call_id, 500, {"error": "no such rack"})
    elif name == "other":
        post_back(url, name, "act-999999", 200, result)
    elif name != "mute":
        for _ in range(2 if name == "twice" else 1):
            post_back(url, name, call_id, 200, result)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # Head and body in one packet: else the second waits for an acknowledgement.

    def log_message(self, *_):
        pass

    def answer(self, status, document=None, headers=()):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def turn(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.route(body)
        except Refused as refused:
            self.answer(refused.status, {"error": str(refused)})

    do_GET = do_POST = turn

    def route(self, body):
        path = self.path.partition("?")[0]
        name = path.rstrip("/").rpartition("/")[2]
        head = self.headers
        if path.startswith("/api/v1/namespaces/_/"):
            need(head.get("Authorization") == BASIC, 401, "wrong key")
            if "/activations/" in path:
                seen = ACTIVATIONS.setdefault(name, [0, None])
                seen[0] += 1
                need(seen[1] and seen[0] > 2, 404, "not stored yet")
                return self.answer(200, seen[1])
            if self.command == "GET":
                return self.answer(200, {"name": name})
            if name == "boom":
                return self.answer(502, {"activationId": "a", "response": {
                    "status": "application error", "success": False, "result": {"error": "no such rack"}}})
            record = {"activationId": "a%d" % len(ACTIVATIONS), "response": {
                "status": "success", "success": True, "result": function("openwhisk", name, json.loads(body))}}
            if "blocking=true" in self.path:
                return self.answer(200, record)
            ACTIVATIONS[record["activationId"]] = [0, record]
            return self.answer(202, {"activationId": record["activationId"]})
        if path.startswith("/2015-03-31/functions/"):
            need(signature_good(self, body), 403, "the signature does not match")
            how = head.get("X-Amz-Invocation-Type")
            need(how in ("RequestResponse", "Event", "DryRun"), 400, "InvalidParameterValue")
            name = path.split("/")[3]
            if how == "DryRun":
                return self.answer(204)
            if name == "boom":
                return self.answer(200, {"errorMessage": "boom", "errorType": "E"}, [("X-Amz-Function-Error", "Unhandled")])
            result = function("lambda", name, json.loads(body))
            return self.answer(200, result) if how == "RequestResponse" else self.answer(202)
        if path.startswith(("/function/", "/async-function/")):
            need(head.get("X-Call-Id"), 400, "no X-Call-Id")
            url = head.get("X-Callback-Url")
            if path.startswith("/async-function/") and url:
                threading.Thread(target=queue, args=(name, head["X-Call-Id"], url, json.loads(body)), daemon=True).start()
                return self.answer(202)
            result = function("openfaas", name, json.loads(body))
            return self.answer(200, result) if path.startswith("/function/") else self.answer(202)
        if path.startswith("/fission/"):
            need(head.get("X-Fission-Dedup-Key"), 400, "no X-Fission-Dedup-Key")
            return self.answer(200, function("fission", name, json.loads(body)))
        if path.startswith("/kubeless/"):
            need(head.get("event-id") and head.get("event-type") == "application/json", 400, "no event")
            return self.answer(200, function("kubeless", name, json.loads(body)))
        if path.startswith("/events/"):
            if head.get("Content-Type") == "application/cloudevents+json":
                event = json.loads(body)
                need(event["specversion"] == "1.0" and event["id"] and event["source"] and event["type"], 400, "no event")
                return self.answer(200, function("structured", name, event["data"]))
            need(all(head.get("ce-" + h) for h in ("specversion", "id", "source", "type")), 400, "no event")
            return self.answer(200, function("binary", name, json.loads(body)))
        if path.startswith("/broker/"):
            need(head.get("ce-id"), 400, "no event")
            function("broker", name, json.loads(body))
            return self.answer(202)
        if path.startswith("/google/"):
            need(head.get("Authorization") == "Bearer an-id-token", 401, "wrong audience")
            return self.answer(200, function("google", name, json.loads(body)))
        if path.startswith("/azure/"):
            need(head.get("x-functions-key") == "a-key", 401, "wrong key")
            return self.answer(200, function("azure", name, json.loads(body)))
        if path == "/healthz":
            return self.answer(200, {})
        raise Refused(404, "nothing here")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(FOLDER, "port.new"), "w") as f:
    f.write(str(server.server_address[1]))
os.rename(os.path.join(FOLDER, "port.new"), os.path.join(FOLDER, "port"))
server.serve_forever()
