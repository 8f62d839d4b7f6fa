# SPDX-License-Identifier: Apache-2.0
"""
From an alert's POST to the POST of what is done about it, 1,000 rules: ours (webhook, durable event, policy, decision, intent,
action) beside Node-RED (http in, JSON, a switch of 1,000 rules, a function node that maps, http request; nothing is on disk) in
the same run, with the same sender, bodies and receiver (alertload.c). Used by tests/bench/run.

Node-RED is installed once, from npm, into the cache: NIGHTSHIFT_CACHE or ~/.cache/nightshift.
"""
import json, os, shutil, socket, subprocess, tempfile, time
import alertmanager

PACKAGE = "node-red@4.1.0"

MAP = """
const alert = msg.payload.alerts[0];
msg.payload = { host: alert.labels.nodename, severity: alert.labels.severity, rule: alert.labels.alertname,
                text: alert.annotations.summary, state: alert.status === "firing" ? "raise" : "clear" };
msg.headers = { "content-type": "application/json" };
return msg;
"""


def installed(say):
    """The folder that holds node_modules/node-red; None, and said why, when it cannot be had."""
    folder = os.environ.get("NIGHTSHIFT_CACHE", os.path.expanduser("~/.cache/nightshift")) + "/" + PACKAGE.replace("@", "-")
    if os.path.exists(folder + "/node_modules/node-red/red.js"):
        return folder
    if shutil.which("npm") is None:
        say("nodered: NO PEER: npm is not installed")
        return None
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE], cwd=folder,
                          stdout=subprocess.DEVNULL, timeout=600)
    if done.returncode != 0:
        say("nodered: NO PEER: npm could not install " + PACKAGE)
        return None
    return folder


def flow(receiver, rules):
    """http in -> 200, and -> switch by the alert's name, first match -> function -> http request."""
    return [
        {"id": "tab", "type": "tab", "label": "alerts"},
        {"id": "in", "type": "http in", "z": "tab", "url": "/alerts", "method": "post", "wires": [["ok", "which"]]},
        {"id": "ok", "type": "http response", "z": "tab", "statusCode": "200", "wires": []},
        {"id": "which", "type": "switch", "z": "tab", "property": "payload.alerts[0].labels.alertname", "propertyType": "msg",
         "rules": [{"t": "eq", "v": "Rule%04d" % i, "vt": "str"} for i in range(rules)], "checkall": "false", "repair": False,
         "outputs": rules, "wires": [["map"]] * rules},
        {"id": "map", "type": "function", "z": "tab", "func": MAP, "outputs": 1, "wires": [["post"]]},
        {"id": "post", "type": "http request", "z": "tab", "method": "POST", "ret": "txt", "paytoqs": "ignore", "persist": True,
         "url": "http://127.0.0.1:%d/nodered" % receiver, "wires": [[]]},
    ]


def peer_start(package, folder, port, receiver):
    with open(folder + "/flows.json", "w") as f:
        json.dump(flow(receiver, alertmanager.RULES), f)
    with open(folder + "/settings.js", "w") as f:
        # Node closes a connection that is idle for 5 s: the sender keeps its own while it waits for the last POSTs.
        f.write('const http = require("http"), create = http.createServer;\n'
                'http.createServer = (...all) => Object.assign(create(...all), { keepAliveTimeout: 600000 });\n'
                'module.exports = { uiPort: %d, uiHost: "127.0.0.1", flowFile: "flows.json", httpAdminRoot: false, '
                'credentialSecret: false, diagnostics: { enabled: false }, telemetry: { enabled: false }, '
                'logging: { console: { level: "warn" } } };\n' % port)
    log = open(folder + "/log", "w")
    return subprocess.Popen(["node", package + "/node_modules/node-red/red.js", "--userDir", folder, "--settings", folder + "/settings.js"],
                            stdout=log, stderr=log)


def listening(process, port, seconds=60):
    """It listens before its flow is there: it is ready when the flow answers."""
    import http.client
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/alerts", '{"alerts":[{"labels":{"alertname":"none"},"annotations":{}}]}',
                               {"Content-Type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError("node-red does not answer")


def bench(args, daemon_class, row, free_port, cpu_s, say, count=6400):
    package = installed(say)
    if package is None:
        raise RuntimeError("not measured: npm or its package is missing")
    ours, theirs, ratios, cpus, peer_cpus, delays, peer_delays = [], [], [], [], [], [], []
    for n in range(args.rounds):
        receiver, port, folder = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), tempfile.mkdtemp(prefix="nodered-bench.")
        daemon = alertmanager.daemon_for(args, daemon_class, receiver)
        peer = None
        try:
            daemon.start()
            rate, p99, cpu, wanted = alertmanager.measure(args, "ours", daemon.http, "/v1/webhooks/am", receiver, count, say,
                                                          lambda: cpu_s(daemon.process.pid))
            say("nodered ours: %d events durable of %d accepted" % (daemon.durable(), wanted))
            daemon.stop()
            peer = peer_start(package, folder, port, receiver)
            listening(peer, port)
            peer_rate, peer_p99, peer_cpu, _ = alertmanager.measure(args, "nodered", port, "/alerts", receiver, count, say,
                                                                    lambda: cpu_s(peer.pid))
        finally:
            alertmanager.all_stop(daemon, peer, folder)
        ours.append(rate), theirs.append(peer_rate), ratios.append(rate / peer_rate)
        cpus.append(cpu), peer_cpus.append(peer_cpu), delays.append(p99), peer_delays.append(peer_p99)
    return [row("nodered.actions", ours, "actions/s, durable"), row("nodered.peer.actions", theirs, "POSTs/s, in memory"),
            row("nodered.ratio", ratios, "times the peer's rate", floor=10),
            row("nodered.cpu", cpus, "us of processor an action"), row("nodered.peer.cpu", peer_cpus, "us of processor a POST"),
            row("nodered.cpu_ratio", [b / a for a, b in zip(cpus, peer_cpus)], "times ours"),
            row("nodered.p99_at_500", delays, "ms"), row("nodered.peer.p99_at_500", peer_delays, "ms")]
