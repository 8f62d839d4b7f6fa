# SPDX-License-Identifier: Apache-2.0
"""
SNMP polls: what one read of a device's interfaces costs us in processor time, and what it costs snmpbulkwalk of net-snmp, a process for
each read as scripts run it. The agent is the packaged snmpd, one process that answers at any address of 127/8: so devices are many, and
its own work is in neither figure. Reads a second of a core is one second by that cost; also the reads that were really made.
"""
import contextlib, os, re, resource, shutil, subprocess, tempfile, time

DEVICES = 400


def reads_of(daemon, build):
    out = subprocess.run([build + "/bin/nightshift", "source", "doctor", "net", "-o", "json"], capture_output=True, text=True,
                         env=dict(os.environ, NIGHTSHIFT_SERVER="unix:%s/api.sock" % daemon.dir)).stdout
    found = re.search(r"(\d+) reads, (\d+) failed; (\d+) tables, (\d+) rows, (\d+) samples", out)
    return [int(word) for word in found.groups()] if found else [0] * 5


def walks_cpu(port, count):
    """Processor seconds of count reads by processes of their own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for i in range(count):
        for column in (".1.3.6.1.2.1.2.2", ".1.3.6.1.2.1.31.1.1"):
            subprocess.run(["snmpbulkwalk", "-v2c", "-c", "public", "-Oqn", "-Cr20", "127.9.0.%d:%d" % (i % 200 + 1, port), column],
                           stdout=subprocess.DEVNULL, check=True, env=dict(os.environ, MIBS=""))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@contextlib.contextmanager
def agent(port, folder):
    with open(folder + "/snmpd.conf", "w") as f:
        f.write("agentaddress udp:0.0.0.0:%d\nrocommunity public 127.0.0.0/8\n" % port)
    process = subprocess.Popen(["snmpd", "-f", "-Lf", folder + "/log", "-C", "-c", folder + "/snmpd.conf"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, SNMP_PERSISTENT_DIR=folder, MIBS=""))
    try:
        for _ in range(200):
            if subprocess.run(["snmpget", "-v2c", "-c", "public", "-t", "0.2", "-r", "0", "127.0.0.1:%d" % port, "1.3.6.1.2.1.1.3.0"],
                              capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def bench(args, daemon_class, row, free_port, cpu_s, say):
    if shutil.which("snmpd") is None or shutil.which("snmpbulkwalk") is None:
        raise RuntimeError("snmpd and snmpbulkwalk are not installed")
    ours, peers, ratios, rates = [], [], [], []
    folder, port = tempfile.mkdtemp(prefix="poll-bench."), free_port()
    devices = ", ".join('{ name = "d%d"; address = "127.9.%d.%d:%d"; }' % (i, i // 200, i % 200 + 1, port) for i in range(DEVICES))
    extra = 'sources = ( { name = "net"; type = "snmp-poll"; devices = ( %s ); tables = ["interfaces"]; community = "file:@DIR@/public"; ' \
            'every = "500ms"; timeout = "10s"; } );' % devices
    with agent(port, folder):
        daemon = daemon_class(args.build, policies=10, hosts=10, extra=extra)
        with open(daemon.dir + "/public", "w") as f:
            f.write("public\n")
        os.chmod(daemon.dir + "/public", 0o600)
        try:
            daemon.start()
            time.sleep(2)
            for _ in range(args.rounds):
                before, begin, at = cpu_s(daemon.process.pid), time.monotonic(), reads_of(daemon, args.build)
                time.sleep(5)
                after, end, now = cpu_s(daemon.process.pid), time.monotonic(), reads_of(daemon, args.build)
                reads = now[0] - at[0] - (now[1] - at[1])
                if reads <= 0:
                    raise RuntimeError("no read came back")
                ours.append((after - before) / reads * 1e6)
                rates.append(reads / (end - begin))
                peers.append(walks_cpu(port, 50) / 50 * 1e6)
                ratios.append(peers[-1] / ours[-1])
                say("poll: %.0f us of processor a read, %.0f reads/s made; snmpbulkwalk %.0f us" % (ours[-1], rates[-1], peers[-1]))
        finally:
            daemon.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return [row("poll.cpu", ours, "us/read"), row("poll.core", [1e6 / value for value in ours], "reads/s of a core"),
            row("poll.made", rates, "reads/s"), row("poll.peer.cpu", peers, "us/read"), row("poll.ratio", ratios, "x", floor=10)]
