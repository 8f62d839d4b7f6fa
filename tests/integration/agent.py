#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# pass_persist for snmpd: serves the objects of a file, read again whenever it changed. Lines: OID TYPE VALUE.
# TYPE as snmpd.conf(5) wants it: integer gauge counter counter64 timeticks string objectid. A line "hang" makes it silent.
import bisect
import os
import sys
import time

path = sys.argv[1]
stamp, keys, rows = None, [], {}


def load():
    global stamp, keys, rows
    now = os.stat(path).st_mtime_ns
    if now == stamp:
        return
    stamp, rows = now, {}
    for line in open(path):
        words = line.rstrip("\n").split(" ", 2)
        if words[0] == "hang":
            time.sleep(3600)
        if len(words) == 3 and not line.startswith("#"):
            rows[tuple(map(int, words[0].strip(".").split(".")))] = words[1:]
    keys = sorted(rows)


def say(oid):
    print("." + ".".join(map(str, oid)), rows[oid][0], rows[oid][1], sep="\n", flush=True)


while True:
    command = sys.stdin.readline()
    if command == "":
        break
    command = command.strip()
    if command == "PING":
        print("PONG", flush=True)
        continue
    if command not in ("get", "getnext", "set"):
        continue
    oid = tuple(map(int, sys.stdin.readline().strip().strip(".").split(".")))
    load()
    if command == "set":
        sys.stdin.readline()
        print("not-writable", flush=True)
    elif command == "get":
        say(oid) if oid in rows else print("NONE", flush=True)
    else:
        at = bisect.bisect_right(keys, oid)
        say(keys[at]) if at < len(keys) else print("NONE", flush=True)
