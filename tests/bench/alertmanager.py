# SPDX-License-Identifier: Apache-2.0
"""
From an alert's POST to the POST of what is done about it, 1,000 rules: ours (webhook, durable event, policy, decision, intent,
action) beside the packaged Alertmanager (alert, route, notification; nothing is on disk) in the same run, to the same receiver.

Rate: alerts over 64 connections as fast as they are answered, until the receiver has heard of all. Delay: 500 a second, each alert
carries when it was sent. Senders and receiver are Python's, the same for both, and share the machine. Used by tests/bench/run.
"""
import asyncio, http.client, json, multiprocessing, re, shutil, signal, socket, subprocess, tempfile, threading, time

RULES, HOSTS, DELAY_S, DELAY_RATE, SENDERS, THREADS = 1000, 400, 6.4, 500, 4, 16
STAMP = re.compile(rb"sent-([0-9]+)-([0-9]+)")


class Receiver(asyncio.Protocol):
    """Answers 200 to every POST, whatever is in it; notes the stamps it finds: which alert, how long ago it was sent."""

    heard = None  # dict: alert -> delay in ms

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while True:
            head = self.data.find(b"\r\n\r\n")
            if head < 0:
                return
            length = re.search(rb"content-length: *(\d+)", self.data[:head], re.I)
            end = head + 4 + (int(length.group(1)) if length else 0)
            if len(self.data) < end:
                return
            now = time.time() * 1000
            for ms, number in STAMP.findall(self.data[head:end]):
                Receiver.heard.setdefault(number, now - int(ms))
            self.data = self.data[end:]
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")


def receiver_process(port, pipe):
    async def serve():
        Receiver.heard = {}
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
        pipe.send("listens")
        async with server:
            while True:
                if pipe.poll():
                    asked = pipe.recv()
                    if asked == "end":
                        return
                    pipe.send(len(Receiver.heard) if asked == "count" else list(Receiver.heard.values()))
                    if asked == "take":
                        Receiver.heard.clear()
                await asyncio.sleep(0.01)
    asyncio.run(serve())


def ask(pipe, what):
    pipe.send(what)
    return pipe.recv()


def alert(number, stamp):
    """One alert of rule number % RULES on a host of its own turn; the stamp stands in a label and in what is told."""
    rule, host = number % RULES, number // RULES % HOSTS
    return {"labels": {"alertname": "Rule%04d" % rule, "nodename": "h%05d" % host, "severity": "critical", "stamp": stamp},
            "annotations": {"summary": stamp}}


def now_iso():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def body_of(kind, number, stamp):
    a = alert(number, stamp)
    if kind == "peer":
        return json.dumps([dict(a, startsAt=now_iso())])
    a.update(status="firing", startsAt=now_iso(), endsAt="0001-01-01T00:00:00Z", generatorURL="", fingerprint="%016x" % number)
    return json.dumps({"version": "4", "status": "firing", "receiver": "b", "groupKey": "g", "externalURL": "", "alerts": [a]})


def sender(port, path, kind, first, count, pace_s, failures):
    connection, begin = http.client.HTTPConnection("127.0.0.1", port, timeout=30), time.monotonic()
    for i in range(count):
        number = first + i
        if pace_s:
            time.sleep(max(0, begin + i * pace_s - time.monotonic()))
        body = body_of(kind, number, "sent-%d-%d" % (time.time() * 1000, number))
        connection.request("POST", path, body, {"Content-Type": "application/json", "Authorization": "Bearer bench"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 202):
            failures.value += 1


def sender_process(port, path, kind, first, count, pace_s, failures):
    each = count // THREADS
    threads = [threading.Thread(target=sender, args=(port, path, kind, first + t * each, each, pace_s, failures)) for t in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def send(port, path, kind, first, count, rate):
    """
    count alerts over SENDERS * THREADS connections, rate a second together (0: as fast as they can); how long it took, refusals.
    """
    failures, each = multiprocessing.Value("i", 0), count // SENDERS
    begin = time.monotonic()
    senders = [multiprocessing.Process(target=sender_process, args=(port, path, kind, first + s * each, each,
                                                                    SENDERS * THREADS / rate if rate else 0, failures)) for s in range(SENDERS)]
    for s in senders:
        s.start()
    for s in senders:
        s.join()
    return time.monotonic() - begin, failures.value


def settle(pipe, wanted, seconds=60):
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        count = ask(pipe, "count")
        if count >= wanted:
            break
        time.sleep(0.02)
    return count


def policies():
    return "policies: (\n" + ",\n".join(
        '{ name = "rule-%04d"; summary = "bench"; owner = "bench"; subject = "host"; mode = "enforce";\n'
        '  when = { event = "alert.Rule%04d"; severity = "warning"; settle = "0s"; }; limits = { once_within = "1s"; };\n'
        '  do = ( { step = "tell"; action = "notify"; with = { text = "${event.message}"; }; } ); }' % (i, i)
        for i in range(RULES)) + "\n);\n"


def alertmanager_config(receiver):
    routes = "".join("    - { matchers: [ 'alertname=\"Rule%04d\"' ], receiver: r }\n" % i for i in range(RULES))
    return ("route:\n  receiver: r\n  group_by: [ '...' ]\n  group_wait: 0s\n  group_interval: 1m\n  repeat_interval: 1h\n  routes:\n" + routes +
            "receivers:\n  - name: r\n    webhook_configs: [ { url: 'http://127.0.0.1:%d/peer', send_resolved: false } ]\n" % receiver)


def peer_start(folder, port, receiver):
    with open(folder + "/am.yml", "w") as f:
        f.write(alertmanager_config(receiver))
    log = open(folder + "/am.log", "w")
    return subprocess.Popen(["prometheus-alertmanager", "--config.file=" + folder + "/am.yml", "--storage.path=" + folder + "/am",
                             "--cluster.listen-address=", "--web.listen-address=127.0.0.1:%d" % port], stdout=log, stderr=log)


def measure(kind, port, path, pipe, count, say, cpu):
    """Rate of what was told, and the p99 of the delay at DELAY_RATE. cpu: seconds of processor the server took so far."""
    ask(pipe, "take")
    cpu_before = cpu()
    begin = time.monotonic()
    took, refused = send(port, path, kind, 0, count, 0)
    told = settle(pipe, count - refused)
    rate, cpu_us = told / (time.monotonic() - begin), (cpu() - cpu_before) * 1e6 / max(told, 1)
    ask(pipe, "take")
    delayed = int(DELAY_RATE * DELAY_S)
    _, refused_later = send(port, path, kind, count, delayed, DELAY_RATE)
    settle(pipe, delayed - refused_later, 20)
    delays = sorted(ask(pipe, "take"))
    p99 = delays[min(len(delays) - 1, len(delays) * 99 // 100)] if delays else float("nan")
    say("alertmanager %s: %d sent in %.1f s, %d refused, %d told, %.0f told/s, %.0f us of processor each; at %d/s: %d of %d told, p50 %.1f ms, p99 %.1f ms" % (
        kind, count, took, refused, told, rate, cpu_us, DELAY_RATE, len(delays), delayed, delays[len(delays) // 2] if delays else -1, p99))
    return rate, p99, cpu_us, count + delayed - refused - refused_later


def bench(args, daemon_class, row, free_port, cpu_s, say, count=6400):
    rates, peer_rates, delays, peer_delays, ratios, delay_ratios, cpus, peer_cpus = [], [], [], [], [], [], [], []
    if shutil.which("prometheus-alertmanager") is None:
        raise RuntimeError("prometheus-alertmanager is not installed (etc/packages test)")
    for n in range(args.rounds):
        receiver, peer_port, folder = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), tempfile.mkdtemp(prefix="am-bench.")
        ours, theirs = multiprocessing.Pipe()
        sink = multiprocessing.Process(target=receiver_process, args=(receiver, theirs), daemon=True)
        sink.start()
        assert ours.recv() == "listens"
        daemon = daemon_class(args.build, policies=1, hosts=HOSTS, policy=policies(), extra='plain_secrets = true;\n'
                              'sources = ( { name = "am"; type = "webhook"; format = "alertmanager"; tokens = ["plain:bench"]; } );\n'
                              'notify = { driver = "page"; url = "http://127.0.0.1:%d/ours"; };' % receiver)
        peer = None
        try:
            daemon.start()
            rate, p99, cpu, wanted = measure("ours", daemon.http, "/v1/webhooks/am", ours, count, say, lambda: cpu_s(daemon.process.pid))
            durable = daemon.durable()
            say("alertmanager ours: %d events durable of %d accepted" % (durable, wanted))
            daemon.stop()
            peer = peer_start(folder, peer_port, receiver)
            until = time.monotonic() + 20
            while time.monotonic() < until:
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", peer_port)) == 0:
                        break
                time.sleep(0.05)
            peer_rate, peer_p99, peer_cpu, _ = measure("peer", peer_port, "/api/v2/alerts", ours, count, say, lambda: cpu_s(peer.pid))
            cpus.append(cpu), peer_cpus.append(peer_cpu)
            rates.append(rate), peer_rates.append(peer_rate), delays.append(p99), peer_delays.append(peer_p99)
            ratios.append(rate / peer_rate), delay_ratios.append(p99 / peer_p99)
        finally:
            daemon.stop()
            if peer is not None:
                peer.send_signal(signal.SIGTERM)
                peer.wait()
            ours.send("end")
            sink.join(5)
            shutil.rmtree(folder, ignore_errors=True)
    return [row("alertmanager.actions", rates, "actions/s, durable"), row("alertmanager.peer.actions", peer_rates, "notifications/s, in memory"),
            row("alertmanager.cpu", cpus, "us of processor an action"), row("alertmanager.peer.cpu", peer_cpus, "us of processor a notification"),
            row("alertmanager.ratio", ratios, "times the peer's rate", floor=2), row("alertmanager.p99_at_500", delays, "ms"),
            row("alertmanager.peer.p99_at_500", peer_delays, "ms"),
            row("alertmanager.p99_ratio", delay_ratios, "times the peer's p99", ceiling=1.5)]
