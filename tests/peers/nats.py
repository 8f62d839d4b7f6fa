#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nats.py PORT stream NAME SUBJECT | nats.py PORT pub SUBJECT [HEADER...] <lines: makes a stream, or publishes each line and awaits JetStream's word."""
import json, socket, sys

port, what = int(sys.argv[1]), sys.argv[2]
wire = socket.create_connection(("127.0.0.1", port), 10).makefile("rwb")
assert wire.readline().startswith(b"INFO")
wire.write(b'CONNECT {"verbose":false,"headers":true,"auth_token":"sesame"}\r\nSUB in.me 1\r\n')

def answer():
    wire.flush()
    while True:
        words = wire.readline().split()
        if words[:1] == [b"PING"]:
            wire.write(b"PONG\r\n")
            wire.flush()
        elif words[:1] in ([b"MSG"], [b"HMSG"]):
            body = wire.read(int(words[-1]) + 2)
            assert b'"error"' not in body and b" 503" not in body, body
            return body
        else:
            assert words[:1] in ([b"+OK"], [b"PONG"], [b"INFO"]), words

def publish(subject, body, headers=()):
    head = b"NATS/1.0\r\n" + b"".join(h.encode() + b"\r\n" for h in headers) + b"\r\n" if headers else b""
    verb = b"HPUB %s in.me %d %d\r\n" % (subject.encode(), len(head), len(head) + len(body)) if headers else b"PUB %s in.me %d\r\n" % (subject.encode(), len(body))
    wire.write(verb + head + body + b"\r\n")

if what == "stream":
    publish("$JS.API.STREAM.CREATE." + sys.argv[3], json.dumps({"name": sys.argv[3], "subjects": [sys.argv[4]], "storage": "file", "retention": "limits"}).encode())
    answer()
else:
    lines = sys.stdin.buffer.read().splitlines()
    for at in range(0, len(lines), 100):
        some = lines[at:at + 100]
        for line in some:
            publish(sys.argv[3], line, sys.argv[4:])
        for line in some:
            answer()
