#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Hands in samples by remote-write and OTLP, each of a series of its own and above its signal's level, to a daemon that may be killed at
any instant; each one until it is acknowledged, and then into a file.

  metrics_sender.py SOCKET ACKED            until SIGTERM; prints one JSON object

Several senders at once: the daemon folds what they bring into common batches.
"""
import http.client, json, signal, socket, struct, sys, threading, time

SENDERS = 4  # Of each kind.
stop = threading.Event()


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(sys.argv[1])


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def remote_write(sensor, now_ms):
    labels = b"".join(field(1, field(1, k) + field(2, v)) for k, v in ((b"__name__", b"inlet_celsius"), (b"host", b"h1"), (b"sensor", sensor.encode())))
    body = field(1, labels + field(2, b"\x09" + struct.pack("<d", 40.0) + b"\x10" + varint(now_ms)))
    packed = varint(len(body)) + b"\xf0" + bytes([len(body) - 1]) + body  # Snappy: one literal, its length in one byte.
    return "/v1/metrics/write", packed, {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}


def otlp(sensor, now_ms):
    point = {"timeUnixNano": str(now_ms * 1000000), "asDouble": 40.0,
             "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in (("host", "h1"), ("sensor", sensor))]}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "inlet_celsius", "gauge": {"dataPoints": [point]}}]}]}]}
    return "/v1/otlp/v1/metrics", json.dumps(body).encode(), {"Content-Type": "application/json"}


def post(connection, path, body, headers):
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def send_all(kind, make, number, acked, counts):
    connection, n = Connection("x"), 0
    while not stop.is_set():
        sensor = "%s-%d-%06d" % (kind, number, n)
        status, tries = 0, 0
        while not (200 <= status < 300) and not stop.is_set():
            tries += 1
            try:
                status = post(connection, *make(sensor, int(time.time() * 1000)))
            except (OSError, http.client.HTTPException):
                connection.close()
                connection, status = Connection("x"), 0
                time.sleep(0.02)
            if 400 <= status < 500:
                print("%s: answered %d" % (sensor, status), file=sys.stderr)
                return
        if 200 <= status < 300:
            acked.write(sensor + "\n")
            acked.flush()
            counts[kind] = counts.get(kind, 0) + 1
            counts["repeated"] = counts.get("repeated", 0) + (tries > 1)
            n += 1


def main():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    counts, threads = {}, []
    with open(sys.argv[2], "a") as acked:
        for kind, make in (("rw", remote_write), ("otlp", otlp)):
            threads += [threading.Thread(target=send_all, args=(kind, make, i, acked, counts)) for i in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(json.dumps(counts))


main()
