#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MIB modules written from the facts in tests/data/snmp: names, identifiers, variables, labels, severity words.

    mibs_of_facts.py FOLDER [--without-severity]

One file for each module, SMIv1 (TRAP-TYPE) or SMIv2 (NOTIFICATION-TYPE) as the facts say; severities and states as the
annotations that vendors use. What a module would import is defined in it, by numbers.
"""
import collections
import json
import os
import re
import sys

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "snmp")
SYNTAX = {"octets": "OCTET STRING", "integer": "INTEGER", "gauge32": "Gauge32", "counter32": "Counter32",
          "ipaddress": "IpAddress", "oid": "OBJECT IDENTIFIER", "timeticks": "TimeTicks", "counter64": "Counter64"}


def label(word):
    """a descriptor: what the facts hold of a vendor's labels is not always one"""
    word = re.sub(r"[^A-Za-z0-9-]", "", word).strip("-")
    return (word[:1].lower() + word[1:]) if word[:1].isalpha() else "x" + word


def numbers(oid):
    arcs = oid.removesuffix(".*").split(".")
    return "{ iso " + " ".join(arcs[1:]) + " }"


def module_text(module, rows, with_severity):
    name = re.sub(r"[^A-Za-z0-9-]", "-", module)
    out = ["%s DEFINITIONS ::= BEGIN" % name, "IMPORTS enterprises FROM SNMPv2-SMI;"]
    known = set()
    for row in rows:
        for variable in row["varbinds"]:
            if variable["name"] in known:
                continue
            known.add(variable["name"])
            syntax = SYNTAX[variable["type"]]
            if variable.get("enum") and variable["type"] == "integer":
                syntax = "INTEGER { " + ", ".join("%s(%s)" % (label(w), n) for n, w in variable["enum"].items()) + " }"
            out.append('%s OBJECT-TYPE\n    SYNTAX %s\n    ACCESS read-only\n    STATUS mandatory\n    DESCRIPTION ""\n    ::= %s'
                       % (variable["name"], syntax, numbers(variable["oid"])))
    enterprises = {}
    for row in rows:
        oid = row["trap_oid"].split(".")
        variables = ", ".join(v["name"] for v in row["varbinds"])
        notes = ""
        if with_severity and row["severity_raw"]:
            notes += "    --#SEVERITY %s\n" % row["severity_raw"]
        if row["state"]:
            notes += "    --#STATE %s\n" % row["state"]
        if row["smi"] == 1 and oid[-2] == "0":
            enterprise = ".".join(oid[:-2])
            if enterprise not in enterprises:
                enterprises[enterprise] = "enterprise%d" % len(enterprises)
                out.append("%s OBJECT IDENTIFIER ::= %s" % (enterprises[enterprise], numbers(enterprise)))
            out.append('%s TRAP-TYPE\n    ENTERPRISE %s\n%s    DESCRIPTION ""\n%s    ::= %s'
                       % (row["name"], enterprises[enterprise], "    VARIABLES { %s }\n" % variables if variables else "",
                          notes, oid[-1]))
        else:
            out.append('%s NOTIFICATION-TYPE\n%s    STATUS current\n    DESCRIPTION ""\n%s    ::= %s'
                       % (row["name"], "    OBJECTS { %s }\n" % variables if variables else "", notes,
                          numbers(row["trap_oid"])))
    return name, "\n".join(out) + "\nEND\n"


def main():
    modules = collections.defaultdict(list)
    for name in ("definitions.jsonl", "vendor-definitions-apc-dell.jsonl"):
        with open(os.path.join(DATA, name), encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                modules[row["module"]].append(row)
    for module, rows in modules.items():
        name, text = module_text(module, rows, "--without-severity" not in sys.argv)
        with open(os.path.join(sys.argv[1], name + ".txt"), "w", encoding="utf-8") as out:
            out.write(text)


main()
