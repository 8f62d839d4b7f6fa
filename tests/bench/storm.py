#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A storm: first how much mixed input (traps, syslog, CloudEvents over HTTP) the daemon stores a second here, then ten times that.

  tests/bench/storm.py [--build FOLDER] [--seconds 60] [--times 10] [--p99 100] [--freeze 1000]

One in a thousand traps, and one in eight CloudEvents, is critical and about a healthy host whose policy acts; the rest is noise about
ten hosts from a thousand addresses: fans that fail and recover, which many policies look at, and chatter. In the middle everything is
frozen by the command for a while. Prints the figures as one JSON object; ends with 1 when something is not as it must be, and says
what. Used by tests/bench/run (row storm) and tests/integration/storm.sh. tests/bench/stormgen.c sends.
"""
import argparse, contextlib, importlib.machinery, importlib.util, json, os, re, subprocess, sys, threading, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOSTS, NOISY_HOSTS, NOISY, LOOKERS, CONNECTIONS = 4000, 10, 1000, 1500, 4
# As bridge/source/map/README.md says: the intake; commits and syslog; a receiver.
GROWTH_MIB_MAX = 48 + 32 + 16
TABLE = 'traps = ( %s );\n' % ", ".join(
    '{ oid = "1.3.6.1.4.1.8072.9999.9999.%d"; name = "STORM::%s"; type = "storm.%s"; severity = "%s"; %s message = "${1}"; }' % row for row in (
        (1, "critical", "critical", "critical", ""), (2, "fanFailed", "fan", "minor", 'state = "raise"; resource = "${2}";'),
        (3, "fanRecovered", "fan", "minor", 'state = "clear"; resource = "${2}";'), (4, "chatter", "chatter", "info", "")))


def acting(kind):
    return ('{ name = "storm-%s"; summary = "says when, and lights the locator"; owner = "storm"; subject = "host"; mode = "enforce";\n'
            '  when = { event = "storm.%s"; if = "size(event.message) > 0"; settle = "0s"; }; limits = { once_within = "1s"; };\n'
            '  do = ( { step = "notify"; action = "notify"; with = { text = "${event.message}"; }; },\n'
            '         { step = "light"; action = "identify"; } ); }' % (kind, kind))


def looking(i):
    return ('{ name = "looks-%03d"; summary = "looks at fans"; owner = "storm"; subject = "host"; mode = "observe";\n'
            '  when = { event = "storm.fan"; if = "event.message.contains(\'x%d\') && event.resource.startsWith(\'fan/\')"; };\n'
            '  do = ( { step = "page"; action = "page"; } ); }' % (i, i))


POLICIES = "policies: (\n%s\n);\n" % ",\n".join([acting("critical"), acting("web")] + [looking(i) for i in range(LOOKERS)])


def inventory(path):
    bmc = 'bmc = { driver = "stopwatch"; file = "/dev/null"; };'
    rows = ['{ name = "h%05d"; rack = "r%03d"; pool = "p%d"; addresses = ["127.2.%d.%d"]; %s }' %
            (i, i // 40, i % 10, i // 256, i % 256, bmc) for i in range(HOSTS)]
    for n in range(NOISY_HOSTS):
        rows.append('{ name = "n%05d"; rack = "noisy"; pool = "noisy"; addresses = [%s]; %s }' % (
            n, ", ".join('"127.1.%d.%d"' % (i // 256, i % 256) for i in range(n, NOISY, NOISY_HOSTS)), bmc))
    with open(path, "w") as f:
        f.write("hosts: (\n%s\n);\n" % ",\n".join(rows))


class Storm:
    def __init__(self, bench, build):
        self.bench, self.build, self.wrong = bench, build, []
        path = "/tmp/storm-inventory.%d" % os.getpid()
        inventory(path)
        self.syslog_port = bench.free_port()
        self.daemon = bench.Daemon(build, policies=0, inventory=path, policy=POLICIES, table=TABLE, extra=(
            'notify = { driver = "stopwatch"; file = "@DIR@/times"; };\n'
            'syslog = { listen = ["udp:127.0.0.1:%d"]; sources = ["127.0.0.0/8"]; patterns = "%s/etc/syslog"; unmatched = "debug"; };'
            % (self.syslog_port, TOP)))
        os.unlink(path)
        self.sent = {}

    def metrics(self):
        found = {}
        for line in (self.daemon.get("/metrics") or "").splitlines():
            if line.startswith("nightshift_") and " " in line:
                name, value = line[len("nightshift_"):].rsplit(" ", 1)
                found[name] = float(value)
        return found

    def command(self, *args):
        begin = time.monotonic()
        done = subprocess.run([self.build + "/bin/nightshift", *args], capture_output=True, text=True,
                              env=dict(os.environ, NIGHTSHIFT_SERVER="unix:%s/api.sock" % self.daemon.dir))
        return done.stdout, time.monotonic() - begin

    def must(self, good, text):
        if not good:
            self.wrong.append(text)

    def send(self, traps, seconds):
        """Starts a sender of that many traps a second, a tenth of it syslog, and a few connections as fast as they are answered."""
        d = self.daemon
        return subprocess.Popen([self.build + "/tests/stormgen", "-r", str(traps), "-y", str(traps / 10), "-Y", str(self.syslog_port),
                                 "-w", str(CONNECTIONS), "-W", str(d.http), "-h", str(HOSTS), "-p", str(NOISY), "-c", "1000",
                                 "-t", str(seconds), "127.0.0.1", str(d.port)], stdout=subprocess.PIPE, text=True)

    def sent_of(self, sender):
        out = json.loads(sender.communicate()[0])
        for name, value in out.items():
            self.sent[name] = self.sent.get(name, 0) + value
        return out

    def settle(self, still=8):
        """Until nothing moves any more: a receiver tells what it counted once a second."""
        same, last = 0, None
        for _ in range(300):
            m = self.metrics()
            now = tuple(m.get(k) for k in ("trap_received_total", "trap_events_total", "syslog_received_total", "intake_events_total",
                                           "engine_events_total", "intake_waiting_bytes"))
            same = same + 1 if now == last else 0
            last = now
            if same >= still:
                return m
            time.sleep(0.25)
        self.must(False, "it did not come to rest")
        return self.metrics()

    def lagged(self, m):
        """Traps and lines that did not go straight through."""
        return sum(v for k, v in m.items() if re.match(r"(trap|syslog)_(coalesced|duplicate|kernel_drops|dropped_\w+)_total", k))

    def sustainable(self):
        """The highest rate of the mixture at which everything goes straight through, by trying."""
        self.sent_of(self.send(1000, 2))  # Warm.
        good, rate, factor = 500, 2000, 2
        while factor > 1.3:
            before = self.lagged(self.settle(2))
            out = self.sent_of(self.send(rate, 2))
            if self.lagged(self.settle(2)) == before and out["traps"] > 1.8 * rate:
                good, rate = rate, rate * factor
            else:
                rate, factor = rate / factor, factor ** 0.5
                rate *= factor
                factor = factor if rate > good else 1
        return good * 1.1  # Syslog is a tenth on top.

    def watch(self, sender, seconds, figures):
        """PSS, and a freeze in the middle."""
        begin, frozen = time.monotonic(), None
        while sender.poll() is None:
            figures["pss_mb"] = max(figures["pss_mb"], self.bench.rss_mb(self.daemon.process.pid))
            figures["alarmed"] = figures["alarmed"] or "intake.shedding" in self.command("alarm", "list", "-o", "jsonl")[0]
            at = time.monotonic() - begin
            if frozen is None and at > seconds / 2:
                out, took = self.command("freeze", "--scope", "all", "--reason", "the storm's test", "-o", "json")
                frozen = [time.time() * 1000, None]
                figures["freeze_ms"] = took * 1000
                self.freeze = re.search(r"frz-\d+", out).group(0)
            elif frozen is not None and frozen[1] is None and at > seconds / 2 + min(3, seconds / 4):
                frozen[1] = time.time() * 1000
                self.command("unfreeze", self.freeze)
            time.sleep(0.25)
        self.must(frozen is not None and frozen[1] is not None, "the storm was over before the freeze was")
        return frozen

    def journal(self, what, *more):
        return subprocess.Popen([self.build + "/tests/journal", what, self.daemon.db, *more], stdout=subprocess.PIPE, text=True)

    def stored(self):
        counts = {"storm.critical": 0, "storm.web": 0, "all": 0, "own": 0}
        reader = self.journal("events")
        for line in reader.stdout:
            counts["all"] += 1
            if '"storm.c' in line and '"type":"storm.critical"' in line:
                counts["storm.critical"] += 1
            elif '"type":"storm.web"' in line:
                counts["storm.web"] += 1
            elif '"type":"intake.shedding"' in line:
                counts["own"] += 1
        reader.wait()
        return counts

    def count(self, m, figures):
        """Every message is somewhere: to the last one."""
        get, sent = lambda k: int(m.get(k, 0)), self.sent
        dropped = {s: get("trap_dropped_%s_total" % s) for s in ("info", "warning", "minor", "major", "critical", "fatal")}
        kernel, coalesced = get("trap_kernel_drops_total"), get("trap_coalesced_total") + get("trap_duplicate_total")
        figures.update(kernel_drops=kernel, coalesced=coalesced, shed={k: v for k, v in dropped.items() if v})
        self.must(sent["traps"] == get("trap_received_total") + kernel, "traps: %d sent, %d received and %d dropped by the kernel" %
                  (sent["traps"], get("trap_received_total"), kernel))
        self.must(get("trap_received_total") == get("trap_events_total") + coalesced + sum(dropped.values()),
                  "traps: %d received, %d handed over, %d repeated, shed %s" % (get("trap_received_total"), get("trap_events_total"), coalesced, dropped))
        lines = {k: get("syslog_%s_total" % k) for k in ("received", "events", "coalesced", "kernel_drops")}
        lost = sum(get("syslog_dropped_%s_total" % s) for s in dropped)
        self.must(sent["syslog"] == lines["received"] + lines["kernel_drops"], "syslog: %d sent, %s" % (sent["syslog"], lines))
        self.must(lines["received"] == lines["events"] + lines["coalesced"] + lost, "syslog: %s, shed %d" % (lines, lost))
        stored = self.stored()
        total = get("trap_events_total") + lines["events"] + sent["posted"] + stored["own"]
        self.must(stored["all"] == total, "%d events stored, %d were handed over" % (stored["all"], total))
        self.must(sent["posted_failed"] == 0, "%d requests failed" % sent["posted_failed"])
        self.must(stored["storm.web"] == sent["posted_critical"], "%d critical posts acknowledged, %d stored" % (sent["posted_critical"], stored["storm.web"]))
        self.must(stored["storm.critical"] == get("trap_urgent_total"), "%d critical traps reached us, %d are stored" % (get("trap_urgent_total"), stored["storm.critical"]))
        missing = sent["critical"] - get("trap_urgent_total")
        self.must(0 <= missing <= kernel, "%d critical traps sent, %d reached us, the kernel dropped %d of all" % (sent["critical"], get("trap_urgent_total"), kernel))
        figures.update(critical_sent=sent["critical"], critical_received=get("trap_urgent_total"), critical_kept=stored["storm.critical"], refused_503=sent["posted_refused"], posted=sent["posted"],
                       stored=stored["all"], sent=sent["traps"] + sent["syslog"])

    def actions_in(self, begin_ms, end_ms):
        reader, found, all_of_them = self.journal("records", "action"), 0, 0
        for line in reader.stdout:
            action = json.loads(line)
            if action.get("verb") == "identify":
                all_of_them += 1
                found += begin_ms < action.get("intended_ms", 0) < end_ms
        reader.wait()
        return found, all_of_them

    def decided(self, begin_ms):
        """From the sender's system call to the decision, in ms: the condition shows the stamp that the event carries."""
        offset_ns, delays, reader = time.time_ns() - time.monotonic_ns(), [], self.journal("records", "decision")
        for line in reader.stdout:
            stamp = re.search(r"\b(\d{20})\b", line)
            decision = json.loads(line) if stamp and '"policy":"storm-' in line else {}
            if decision.get("time", 0) > begin_ms:
                delays.append(decision["time"] - (int(stamp.group(1)) + offset_ns) / 1e6)
        reader.wait()
        return sorted(delays)

    def run(self, seconds, times, p99_max, freeze_max=1000):
        figures = {"pss_mb": 0, "alarmed": False}
        self.daemon.start()
        try:
            rest = self.bench.rss_mb(self.daemon.process.pid)
            rate = self.sustainable()
            figures["sustainable_per_s"] = round(rate)
            skip, begin_ms = self.daemon.lines("times"), time.time() * 1000
            sender = self.send(rate / 1.1 * times, seconds)
            frozen = self.watch(sender, seconds, figures)
            out = self.sent_of(sender)
            figures["offered_per_s"] = round((out["traps"] + out["syslog"] + out["posted"]) / out["seconds"])
            figures["times"] = round(figures["offered_per_s"] / rate, 1)
            m = self.settle()
            figures["pss_rest_mb"] = rest
            self.must(figures["pss_mb"] - rest < GROWTH_MIB_MAX, "memory grew from %.0f to %.0f MB" % (rest, figures["pss_mb"]))
            self.must(figures["alarmed"], "no alarm told that more came than could be taken")
            self.bench.await_true(lambda: "intake.shedding" not in self.command("alarm", "list", "-o", "jsonl")[0], 60, "the shedding alarm to clear")
            self.must(figures["freeze_ms"] < freeze_max, "the freeze took %.0f ms" % figures["freeze_ms"])
            times_ms = [int(line) / 1e6 for line in open(self.daemon.dir + "/times")][skip:]
            self.must(len(times_ms) > 20, "only %d decisions acted: that shows nothing" % len(times_ms))
            times_ms.sort()
            figures.update(acted=len(times_ms), acted_p50_ms=times_ms[len(times_ms) // 2], acted_p99_ms=times_ms[len(times_ms) * 99 // 100])
            self.daemon.stop(keep=True)
            self.count(m, figures)
            delays = self.decided(begin_ms)
            self.must(len(delays) > 30, "only %d decisions: that shows nothing" % len(delays))
            figures.update(decided=len(delays), p50_ms=delays[len(delays) // 2], p99_ms=delays[len(delays) * 99 // 100], max_ms=delays[-1])
            self.must(figures["p99_ms"] < p99_max, "p99 of unaffected hosts is %.0f ms" % figures["p99_ms"])
            late, actions = self.actions_in(frozen[0], frozen[1])
            self.must(late == 0, "%d actions were intended while everything was frozen" % late)
            self.must(actions > 20, "only %d actions at all: the freeze shows nothing" % actions)
            self.must(figures["times"] > times / 2, "only %.1f times the sustainable rate could be sent" % figures["times"])
        finally:
            self.daemon.stop()
        return {k: round(v, 2) if isinstance(v, float) else v for k, v in figures.items()}


def bench_module():
    if "benchrun" not in sys.modules:
        loader = importlib.machinery.SourceFileLoader("benchrun", os.path.join(TOP, "tests/bench/run"))
        sys.modules["benchrun"] = module = importlib.util.module_from_spec(importlib.util.spec_from_loader("benchrun", loader))
        loader.exec_module(module)
    return sys.modules["benchrun"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=TOP + "/build/release")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=float, default=10)
    parser.add_argument("--p99", type=float, default=100)
    parser.add_argument("--freeze", type=float, default=1000)
    args = parser.parse_args()
    sys.dont_write_bytecode = True
    storm = Storm(bench_module(), os.path.abspath(args.build))
    print(json.dumps(storm.run(args.seconds, args.times, args.p99, args.freeze)))
    for text in storm.wrong:
        print("wrong: " + text)
    return 1 if storm.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
