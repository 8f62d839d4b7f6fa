#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""contrail.py PORT [--auth none|token|basic|keystone] [--cert PEM --key PEM] [--slow SECONDS]

As much of contrail-analytics-api as a reader of alarms meets: the list, the stream of alarms, acknowledging, and a Keystone that
makes tokens. Strict: what its documentation does not allow is refused and kept under "wrong". POST /_test {"do": ...} moves it:

    set      table, name, alarms: an object's alarms from now on ([]: none), told to the streams
    quiet    the same, told to nobody
    move     a partition moves: every object is taken from the streams, and told again
    clear    no alarms at all any more, told to nobody
    drop     the streams end; "mid": amid an event
    refuse   "seconds": 503 for everything, with a JSON body, and the streams end
    lists    "hold": lists are made, but not sent until they may
    hang     "on": nothing is answered and nothing told any more, but connections stay
    expire   tokens are not taken any more
    raw      bytes (base64) into the streams
    acks     "mode": ok | lost (done, but answered with 500) | busy (409, not done) | hang (done, never answered)

GET /_test: what happened. Severity, type and timestamp of an alarm are given; its token is made here.
"""
import argparse, base64, http.server, json, queue, socketserver, ssl, threading, time, urllib.parse

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("--address", default="127.0.0.1")
options.add_argument("--auth", default="none", choices=["none", "token", "basic", "keystone"])
options.add_argument("--cert")
options.add_argument("--key")
options.add_argument("--slow", type=float, default=0, help="seconds that acknowledging takes")
args = options.parse_args()

INTERNAL = {"vrouter": "ObjectVRouter", "control-node": "ObjectBgpRouter", "config-node": "ObjectConfigNode",
            "analytics-node": "ObjectCollectorInfo", "database-node": "ObjectDatabaseInfo",
            "virtual-network": "ObjectVNTable", "virtual-machine": "ObjectVMTable", "prouter": "ObjectPRouter"}
FILTERS = {"tablefilt", "kfilt", "sfilt", "mfilt", "cfilt", "ackfilt"}
lock = threading.RLock()
objects = {}  # (table, name) -> [alarm]
streams = []
tokens = {"static-token"}
state = {"refuse": 0.0, "hang": False, "acks": "ok", "hold": False}
seen = {"wrong": [], "acks": [], "lists": 0, "streams": 0, "logins": 0, "refused_acks": 0}


def wrong(what):
    with lock:
        seen["wrong"].append(what)


def alarm_of(given):
    now = given.get("timestamp", int(time.time() * 1000000))
    token = base64.b64encode(json.dumps({"timestamp": now, "http_port": 5995, "host_ip": "127.0.0.1"}).encode()).decode()
    return {"ack": False, "severity": 1, "description": "said by the peer", "alarm_rules": {"or_list": []}, **given,
            "timestamp": now, "token": token}


def update_of(key):
    table, name = key
    alarms = objects.get(key)
    return {"key": f"{INTERNAL.get(table, table)}:{name}", "type": "UVEAlarms", "value": {"alarms": alarms} if alarms else None}


def pack(event, data):
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()


def tell(piece, table=None):
    for stream, tables in streams:
        if table is None or tables is None or table in tables:
            stream.put(piece)


class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def answer(self, status, body=None, headers=()):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def known(self):
        if args.auth == "none":
            if self.headers.get("X-Auth-Token") or self.headers.get("Authorization"):
                wrong("a secret, and nobody asked for one")
            return True
        if args.auth == "basic":
            good = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"admin:contrail123").decode()
        else:
            good = self.headers.get("X-Auth-Token") in tokens
            if self.headers.get("Authorization"):
                wrong("a password, where a token is asked for")
        if not good:
            self.answer(401, "Authentication required")
        return good

    def gate(self):
        """False: it was answered already."""
        while state["hang"]:
            time.sleep(0.05)
        if time.monotonic() < state["refuse"]:
            self.answer(503, {})
            return False
        return self.known()

    def filters(self, query):
        given = urllib.parse.parse_qs(query, keep_blank_values=True)
        if set(given) - FILTERS:
            wrong(f"filters {sorted(set(given) - FILTERS)}")
        return given.get("tablefilt", [""])[0].split(",") if "tablefilt" in given else None

    # ---- GET ----

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/_test":
            with lock:
                self.answer(200, {**seen, "open": len(streams)})
        elif url.path == "/analytics/alarms":
            if self.gate():
                self.alarms(self.filters(url.query))
        elif url.path == "/analytics/alarm-stream":
            if self.headers.get("Last-Event-ID"):
                wrong("a Last-Event-ID: this stream has no ids")
            if "text/event-stream" not in self.headers.get("Accept", ""):
                wrong("a stream that no event stream was accepted for")
            if self.gate():
                self.stream(self.filters(url.query))
        else:
            wrong(f"GET {self.path}")
            self.answer(404, "Not found")

    def alarms(self, tables):
        with lock:
            seen["lists"] += 1
            body = {}
            for (table, name), alarms in objects.items():
                if alarms and (tables is None or table in tables):
                    body.setdefault(table, []).append({"name": name, "value": {"UVEAlarms": {"__T": int(time.time() * 1e6), "alarms": alarms}}})
        while state["hold"]:
            time.sleep(0.05)
        self.answer(200, body)

    def chunk(self, piece):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def stream(self, tables):
        mine = queue.Queue()
        with lock:
            seen["streams"] += 1
            mine.put(pack("init", None))
            for key in objects:
                if objects[key] and (tables is None or key[0] in tables):
                    mine.put(pack("update", update_of(key)))
            streams.append((mine, tables))
        self.close_connection = True
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-cache")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while True:
                piece = mine.get()
                while state["hang"]:
                    time.sleep(0.05)
                if piece is None:
                    self.chunk(pack("stop", None))
                    self.wfile.write(b"0\r\n\r\n")
                    return
                if piece == "mid":
                    self.chunk(b'event: update\ndata: {"key": "ObjectVRouter:half", "type": "UVE')
                    return
                self.chunk(piece)
        except OSError:
            pass
        finally:
            with lock:
                streams[:] = [one for one in streams if one[0] is not mine]

    # ---- POST ----

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_test":
            self.answer(200, self.test(json.loads(body)))
        elif self.path == "/v3/auth/tokens":
            self.keystone(body)
        elif self.path == "/analytics/alarms/acknowledge":
            if self.gate():
                self.acknowledge(body)
        else:
            wrong(f"POST {self.path}")
            self.answer(404, "Not found")

    def keystone(self, body):
        try:
            auth = json.loads(body)["auth"]
            user = auth["identity"]["password"]["user"]
            good = (auth["identity"]["methods"] == ["password"] and user["name"] == "nightshift" and user["password"] == "sesame"
                    and user["domain"] == {"name": "Default"} and auth["scope"] == {"project": {"name": "admin", "domain": {"name": "Default"}}})
        except (ValueError, KeyError, TypeError):
            wrong("a login that makes no sense")
            good = False
        if not good:
            self.answer(401, {"error": {"code": 401}})
            return
        with lock:
            seen["logins"] += 1
            token = f"token-{seen['logins']}"
            tokens.add(token)
        self.answer(201, {"token": {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2026-01-01T01:00:00.000000Z"}},
                    [("X-Subject-Token", token)])

    def acknowledge(self, body):
        if "application/json" not in self.headers.get("Content-Type", ""):
            wrong("an acknowledgement that is no application/json")
            self.answer(400, "Content-Type")
            return
        try:
            given = json.loads(body)
            stamp = json.loads(base64.b64decode(given["token"]))["timestamp"]
            assert set(given) == {"table", "name", "type", "token"}
        except (ValueError, KeyError, TypeError, AssertionError):
            wrong(f"an acknowledgement of {body[:200]!r}")
            self.answer(400, "Invalid")
            return
        time.sleep(args.slow)
        with lock:
            if state["acks"] == "busy":
                seen["refused_acks"] += 1
                self.answer(409, "busy")
                return
            key = (given["table"], given["name"])
            found = [a for a in objects.get(key, []) if a["type"] == given["type"] and a["timestamp"] == stamp]
            if not found:
                self.answer(404, "No such alarm")
                return
            if found[0]["ack"]:
                wrong(f"acknowledged twice: {key} {given['type']} {stamp}")
            found[0]["ack"] = True
            seen["acks"].append(f"{key[0]}/{key[1]} {stamp}")
            tell(pack("update", update_of(key)), key[0])
            mode = state["acks"]
        if mode == "lost":
            self.answer(500, "Introspect")
        elif mode == "hang":
            while state["acks"] == "hang":
                time.sleep(0.05)
            self.close_connection = True
        else:
            self.answer(200)

    def test(self, order):
        with lock:
            do = order["do"]
            if do in ("set", "quiet"):
                key = (order["table"], order["name"])
                objects[key] = [alarm_of(a) for a in order["alarms"]]
                if do == "set":
                    tell(pack("update", update_of(key)), key[0])
            elif do == "move":
                for key in objects:
                    tell(pack("update", {"key": update_of(key)["key"], "type": None}), key[0])
                for key in objects:
                    tell(pack("update", update_of(key)), key[0])
            elif do == "clear":
                objects.clear()
            elif do == "drop":
                tell("mid" if order.get("mid") else None)
            elif do == "refuse":
                state["refuse"] = time.monotonic() + order["seconds"]
                tell(None)
            elif do == "hang":
                state["hang"] = order["on"]
            elif do == "lists":
                state["hold"] = order["hold"]
            elif do == "expire":
                tokens.clear()
            elif do == "raw":
                tell(base64.b64decode(order["bytes"]))
            elif do == "acks":
                state["acks"] = order["mode"]
            else:
                raise ValueError(do)
            return {}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *ignored):
        pass  # Who hangs up is no news.


server = Server((args.address, args.port), Peer)
if args.cert:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.cert, args.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
