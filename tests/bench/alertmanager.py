# SPDX-License-Identifier: Apache-2.0
"""
From an alert's POST to the POST of what is done about it, 1,000 rules: ours (webhook, durable event, policy, decision, intent,
action) beside the packaged Alertmanager (alert, route, notification; nothing is on disk) in the same run. Each alert has labels of
its own and is in a group of its own there (group_by '...', group_wait 0s): an alert is one POST on either side.

Sender and receiver are one C program of one thread (alertload.c), the same for both. Rate: alerts over 64 connections as fast as they are
answered, until the receiver has heard of all; and over 256, because who waits for the disk does more for many at once than for few. Delay: 500 a second, from when an alert was due. Used by tests/bench/run.
"""
import json, shutil, signal, socket, subprocess, tempfile, time

RULES, HOSTS, DELAY_S, DELAY_RATE = 1000, 400, 6.4, 500


def policies():
    return "policies: (\n" + ",\n".join(
        '{ name = "rule-%04d"; summary = "bench"; owner = "bench"; subject = "host"; mode = "enforce";\n'
        '  when = { event = "alert.Rule%04d"; severity = "warning"; settle = "0s"; }; limits = { once_within = "1s"; };\n'
        '  do = ( { step = "tell"; action = "notify"; with = { text = "${event.message}"; }; } ); }' % (i, i)
        for i in range(RULES)) + "\n);\n"


def daemon_for(args, daemon_class, receiver):
    """Ours: a webhook, and a notification to the receiver."""
    return daemon_class(args.build, policies=1, hosts=HOSTS, policy=policies(), extra='plain_secrets = true;\n'
                        'sources = ( { name = "am"; type = "webhook"; format = "alertmanager"; tokens = ["plain:bench"]; } );\n'
                        'notify = { driver = "page"; url = "http://127.0.0.1:%d/ours"; };' % receiver)


def all_stop(daemon, peer, folder):
    daemon.stop()
    if peer is not None:
        peer.send_signal(signal.SIGTERM)
        peer.wait()
    shutil.rmtree(folder, ignore_errors=True)


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


def measure(args, kind, port, path, receiver, count, say, cpu, connections=64):
    """Rate of what was told, and the p99 of the delay at DELAY_RATE. cpu: seconds of processor the server took so far."""
    load = subprocess.Popen([args.build + "/tests/alertload", "v2" if kind == "peer" else "v4", str(port), path, str(receiver), str(connections), str(count),
                             str(DELAY_RATE), str(DELAY_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    cpu_before = cpu()
    fast = json.loads(load.stdout.readline())
    cpu_us = (cpu() - cpu_before) * 1e6 / max(fast["told"], 1)
    load.stdin.write("on\n")
    load.stdin.close()
    slow = json.loads(load.stdout.readline())
    load.wait()
    rate = fast["told"] / fast["seconds"]
    say("alertmanager %s: %d sent, %d refused, %d told in %.1f s, %.0f told/s, %.0f us of processor each; at %d/s: %d of %d told, p50 %.1f ms, "
        "p99 %.1f ms" % (kind, fast["sent"], fast["refused"], fast["told"], fast["seconds"], rate, cpu_us, DELAY_RATE, slow["told"],
                         slow["sent"], slow["p50_ms"], slow["p99_ms"]))
    return rate, slow["p99_ms"], cpu_us, fast["sent"] - fast["refused"] + slow["sent"] - slow["refused"]


def bench(args, daemon_class, row, free_port, cpu_s, say, count=12800):
    rows = bench_over(args, daemon_class, row, free_port, cpu_s, say, count, 64, "alertmanager.")
    return rows + bench_over(args, daemon_class, row, free_port, cpu_s, say, count, 256, "alertmanager.over256.")


def bench_over(args, daemon_class, row, free_port, cpu_s, say, count, connections, name):
    rates, peer_rates, delays, peer_delays, ratios, delay_ratios, cpus, peer_cpus = [], [], [], [], [], [], [], []
    if shutil.which("prometheus-alertmanager") is None:
        raise RuntimeError("prometheus-alertmanager is not installed (etc/packages test)")
    for n in range(args.rounds):
        receiver, peer_port, folder = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), tempfile.mkdtemp(prefix="am-bench.")
        daemon = daemon_for(args, daemon_class, receiver)
        peer = None
        try:
            daemon.start()
            rate, p99, cpu, wanted = measure(args, "ours", daemon.http, "/v1/webhooks/am", receiver, count, say, lambda: cpu_s(daemon.process.pid), connections)
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
            peer_rate, peer_p99, peer_cpu, _ = measure(args, "peer", peer_port, "/api/v2/alerts", receiver, count, say, lambda: cpu_s(peer.pid), connections)
            cpus.append(cpu), peer_cpus.append(peer_cpu)
            rates.append(rate), peer_rates.append(peer_rate), delays.append(p99), peer_delays.append(peer_p99)
            ratios.append(rate / peer_rate), delay_ratios.append(p99 / peer_p99)
        finally:
            all_stop(daemon, peer, folder)
    return [row(name + "actions", rates, "actions/s, durable"), row(name + "peer.actions", peer_rates, "notifications/s, in memory"),
            row(name + "cpu", cpus, "us of processor an action"), row(name + "peer.cpu", peer_cpus, "us of processor a notification"),
            row(name + "ratio", ratios, "times the peer's rate", floor=2), row(name + "p99_at_500", delays, "ms"),
            row(name + "peer.p99_at_500", peer_delays, "ms"),
            row(name + "p99_ratio", delay_ratios, "times the peer's p99", ceiling=1.5)]
