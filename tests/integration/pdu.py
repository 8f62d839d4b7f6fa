#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PDU's tree behind the packaged snmpd (pass_persist): outlets that obey SET by the rules of one make.

    pdu.py FOLDER MAKE

FOLDER/outlets holds one word an outlet ("on", "off"), FOLDER/orders a line for each SET ("outlet 3 on"). FOLDER/lies, when
it is there, names outlets that accept and stay as they are; FOLDER/slow the seconds between a SET and the relay.
The values are written down here from the vendors' MIBs, independently of the driver's table.
"""
import os
import sys
import time

COUNT = 8
E = (1, 3, 6, 1, 4, 1)
# control columns -> {value: what}, status column -> {state: value}, ahead: numbers before the outlet's own
MAKES = {
    "apc-rpdu": dict(control={E + (318, 1, 1, 12, 3, 3, 1, 1, 4): {1: "on", 2: "off", 3: "cycle"}},
                     status=(E + (318, 1, 1, 12, 3, 5, 1, 1, 4), {"on": 1, "off": 2}), ahead=(),
                     name=E + (318, 1, 1, 12, 3, 3, 1, 1, 2)),
    "apc-masterswitch": dict(control={E + (318, 1, 1, 4, 4, 2, 1, 3): {1: "on", 2: "off", 3: "cycle"}},
                             status=(E + (318, 1, 1, 4, 4, 2, 1, 3), {"on": 1, "off": 2}), ahead=(),
                             name=E + (318, 1, 1, 4, 4, 2, 1, 4)),
    "apc-rpdu2": dict(control={E + (318, 1, 1, 26, 9, 2, 4, 1, 5): {1: "on", 2: "off", 3: "cycle"}},
                      status=(E + (318, 1, 1, 26, 9, 2, 3, 1, 5), {"on": 2, "off": 1}), ahead=(),
                      load=E + (318, 1, 1, 26, 9, 4, 3, 1, 7)),
    "raritan-px2": dict(control={E + (13742, 6, 4, 1, 2, 1, 2): {1: "on", 0: "off", 2: "cycle"}},
                        status=(E + (13742, 6, 4, 1, 2, 1, 3), {"on": 7, "off": 8}), ahead=(1,)),
    "eaton-g3": dict(control={E + (534, 6, 6, 7, 6, 6, 1, 4): {0: "on"}, E + (534, 6, 6, 7, 6, 6, 1, 3): {0: "off"},
                              E + (534, 6, 6, 7, 6, 6, 1, 5): {0: "cycle"}},
                     status=(E + (534, 6, 6, 7, 6, 6, 1, 2), {"on": 1, "off": 0, "to-off": 2, "to-on": 3}), ahead=(1,)),
    "servertech-sentry3": dict(control={E + (1718, 3, 2, 3, 1, 11): {1: "on", 2: "off", 3: "cycle"}},
                               status=(E + (1718, 3, 2, 3, 1, 5), {"on": 1, "off": 0, "to-off": 2, "to-on": 3}), ahead=(1, 1)),
    "servertech-sentry4": dict(control={E + (1718, 4, 1, 8, 5, 1, 2): {1: "on", 2: "off", 3: "cycle"}},
                               status=(E + (1718, 4, 1, 8, 3, 1, 1), {"on": 1, "off": 2}), ahead=(1, 1)),
    "vertiv-v5": dict(control={E + (21239, 5, 2, 3, 5, 1, 6): {2: "on", 4: "off", 6: "cycle"}},
                      status=(E + (21239, 5, 2, 3, 5, 1, 4), {"on": 1, "off": 2, "to-off": 3, "to-on": 4}), ahead=()),
    "geist-v3": dict(control={E + (21239, 2, 16, 1, 3): {1: "on", 3: "off", 5: "cycle"}},
                     status=(E + (21239, 2, 16, 1, 4), {"on": 1, "off": 0}), ahead=(), type="Gauge32"),
    "cyberpower": dict(control={E + (3808, 1, 1, 3, 3, 3, 1, 1, 4): {1: "on", 2: "off", 3: "cycle"}},
                       status=(E + (3808, 1, 1, 3, 3, 5, 1, 1, 4), {"on": 1, "off": 2}), ahead=()),
}
FOLDER, MAKE = sys.argv[1], MAKES[sys.argv[2]]
TYPE = MAKE.get("type", "INTEGER")


def read(name, fallback=""):
    try:
        with open(os.path.join(FOLDER, name)) as f:
            return f.read().split()
    except OSError:
        return fallback.split()


def load():
    now, states = time.time(), (read("outlets") + ["on"] * COUNT)[:COUNT]
    settled = []
    for word in states:  # "off@17.25": off from then on, the other before
        what, _, due = word.partition("@")
        settled.append(what if not due or now >= float(due) else "to-" + what)
    return settled


def save(number, what):
    states = (read("outlets") + ["on"] * COUNT)[:COUNT]
    slow = float((read("slow") or ["0"])[0])
    states[number - 1] = what if slow == 0 else "%s@%f" % (what, time.time() + slow)
    with open(os.path.join(FOLDER, "outlets.new"), "w") as f:
        f.write("\n".join(states) + "\n")
    os.rename(os.path.join(FOLDER, "outlets.new"), os.path.join(FOLDER, "outlets"))


def tree():
    column, values = MAKE["status"]
    result = {}
    for i, state in enumerate(load(), 1):
        before = {"to-on": "off", "to-off": "on"}.get(state, state)
        result[column + MAKE["ahead"] + (i,)] = ("INTEGER", values.get(state, values[before]))
        for control in MAKE["control"]:  # snmpd lets through no SET of what cannot be read
            result.setdefault(control + MAKE["ahead"] + (i,), (TYPE, 0))
        if "name" in MAKE:
            result[MAKE["name"] + MAKE["ahead"] + (i,)] = ("STRING", "socket %d" % i)
        if "load" in MAKE:
            result[MAKE["load"] + MAKE["ahead"] + (i,)] = ("INTEGER", 100 + i if before == "on" else 0)
    return result


def say(*lines):
    sys.stdout.write("".join("%s\n" % line for line in lines))
    sys.stdout.flush()


def oid():
    return tuple(int(x) for x in sys.stdin.readline().strip().strip(".").split("."))


def set_outlet():
    asked, given = oid(), sys.stdin.readline().split(None, 1)
    depth = 1 + len(MAKE["ahead"])
    what = MAKE["control"].get(asked[:-depth])
    number = asked[-1]
    if what is None or asked[-depth:-1] != MAKE["ahead"] or not 1 <= number <= COUNT:
        return "not-writable"
    if given[0].lower() not in (("gauge", "unsigned", "unsigned32") if TYPE == "Gauge32" else ("integer",)):
        return "wrong-type"
    order = what.get(int(given[1]))
    if order is None:
        return "wrong-value"
    with open(os.path.join(FOLDER, "orders"), "a") as f:
        f.write("outlet %d %s\n" % (number, order))
    if str(number) not in read("lies"):
        save(number, "on" if order == "cycle" else order)
    return "DONE"


while True:
    command = sys.stdin.readline()
    if not command:
        break
    command = command.strip()
    if command == "PING":
        say("PONG")
    elif command in ("get", "getnext"):
        asked, known = oid(), tree()
        if command == "getnext":
            asked = min((k for k in known if k > asked), default=None)
        if asked in known:
            say("." + ".".join(map(str, asked)), *known[asked])
        else:
            say("NONE")
    elif command == "set":
        say(set_outlet())
