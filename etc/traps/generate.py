#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the bulk tables of this folder from the facts in tests/data/snmp. Curated tables are written by hand.

    etc/traps/generate.py            writes them
    etc/traps/generate.py --check    fails when a table differs from what would be written
"""
import collections
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "tests", "data", "snmp")

# Rows of these identifiers are curated in standard.traps; modules in ups.traps and the like are whole files by hand.
CURATED_OIDS = {"1.3.6.1.6.3.1.1.5.%d" % n for n in range(1, 7)}
CURATED_MODULES = {"UPS-MIB"}
FILES = {
    "PowerNet-MIB": "apc", "MIB-Dell-10892": "dell-openmanage", "IDRAC-MIB-SMIv2": "dell-idrac",
    "StorageManagement-MIB": "dell-storage", "DELL-RAC-MIB": "dell-rac", "DELL-ASF-MIB": "dell-asf",
}
RAISED = {"DEGRADED", "FAILED", "NONOPERATIONAL"}
SEVERITY = {"ok": "info", "info": "info", "warning": "warning", "minor": "minor", "major": "major",
            "critical": "critical"}

# Traps that end what another one began, where the names alone do not tell.
PAIRS = {
    "PowerNet-MIB": {
        "communicationEstablished": ["communicationLost", "onbatterycommunicationLost"], "powerRestored": ["upsOnBattery"],
        "returnFromLowBattery": ["lowBattery"], "upsDiagnosticsPassed": ["upsDiagnosticsFailed"],
        "upsWokeUp": ["upsSleeping"], "upsTurnedOn": ["upsTurnedOff"], "smartBoostOff": ["smartBoostOn"],
        "smartAvrReducingOff": ["smartAvrReducing"], "dischargeCleared": ["upsDischarged"],
        "upsBatteryReplaced": ["upsBatteryNeedsReplacement"], "calibrationEnd": ["calibrationStart"],
        "returnFromBypass": ["hardwareFailureBypass", "softwareBypass", "switchedBypass", "temporaryBypass"],
        "batteryPackCommEstablished": ["batteryPackCommLost"], "upsBreakerQ2Closed": ["upsBreakerQ2Open"],
        "apcDoorLocked": ["apcDoorUnlocked"], "apcDoorClosed": ["apcDoorOpened"],
        "apcHandleClosed": ["apcHandleOpened"], "atsSourceStatusOk": ["atsSourceStatusFail"],
        "atsHardwareStatusOk": ["atsHardwareStatusFail"], "inputOK": ["inputWarningError"],
        "bypassOK": ["bypassWarningError"], "communicationOK": ["communicationWarningError"],
        "powerModuleOK": ["powerModuleSevereError"], "outputVoltageWaveformOK": ["outputVoltageWaveformError"],
        "noOverloadOnBypassStaticSwitch": ["bypassStaticSwitchOverload"],
        "batteryVoltageOK": ["batteryVoltageCollapse"], "noOverloadOnInstallation": ["overloadOnInstallation"],
        "bypassStaticSwitchOK": ["bypassStaticSwitchError"],
        "forcedBypassSwitchReleased": ["forcedBypassSwitchActivated"],
        "apcDoorEstablishedComms": ["apcDoorLostComms"], "upsInformationalConditionCleared": ["upsInformationalCondition"],
    },
    "MIB-Dell-10892": {
        "alertSystemUp": ["alertAutomaticSystemRecovery", "alertThermalShutdown"],
        "enhancedAlertSystemUp": ["enhancedAlertAutomaticSystemRecovery", "enhancedAlertThermalShutdown"],
        "alertMemoryDeviceNVDIMMPersistencyRestored": ["alertMemoryDeviceNVDIMMPersistencyLost"],
        "enhancedAlertMemoryDeviceNVDIMMPersistencyRestored": ["enhancedAlertMemoryDeviceNVDIMMPersistencyLost"],
    },
    "DELL-RAC-MIB": {
        "alertCMCNormalTrap": ["alertCMCWarningTrap", "alertCMCCriticalTrap", "alertCMCNonRecoverableTrap"],
        "alertDrscPowerOn": ["alertDrscPowerOff"], "alertDrscFoundESM": ["alertDrscLostESM"],
        "alertDrscTempNormal": ["alertDrscTempWarning", "alertDrscTempCritical"],
        "alertDrscVoltNormal": ["alertDrscVoltWarning", "alertDrscVoltCritical"],
        "alertDrscSELNormal": ["alertDrscSELWarning", "alertDrscSELCritical", "alertDrscSEL80percentFull",
                               "alertDrscSEL90percentFull", "alertDrscSEL100percentFull"],
    },
}

# Types that policies name, by module and name; the first that matches. None: the preset.
DELL = r"^(?:enhanced)?[Aa]lert2?(?:EEMI|EMM|Drsc)?(?:Storage)?"
TYPES = [
    ("Dell", DELL + r"Memory(?:Device)?(?:Failure|NonRecoverable|Normal|Information)$", "memory.uncorrectable"),
    ("Dell", DELL + r"Memory(?:Device)?Warning$", "memory.correctable"),
    ("Dell", DELL + r"(?:AutomaticSystemRecovery|WatchdogExpired|SystemUp)$", "os.watchdog.expired"),
    ("Dell", DELL + r"OS(?:Failure|Information)$", "os.crashed"),
    ("Dell", DELL + r"PowerSupply(?:Normal|Information|Warning|Failure|NonRecoverable|Absent)$", "power.supply.failed"),
    ("Dell", DELL + r"ACPowerCord", "power.input.lost"),
    ("Dell", DELL + r"Temp(?:erature)?(?:Probe)?(?:Normal|Information|Warning|Failure|NonRecoverable|Critical)$",
     "temperature.high"),
    ("Dell", DELL + r"ThermalShutdown$", "temperature.shutdown"),
    ("Dell", DELL + r"(?:Fan|CoolingDevice)(?:Normal|Information|Warning|Failure|NonRecoverable)$", "fan.failed"),
    ("Dell", DELL + r"Battery(?:Normal|Information|Warning|Failure|NonRecoverable|Absent)$", "battery.failed"),
    ("Dell", DELL + r"ProcessorDevice(?:Status)?(?:Normal|Warning|Failure|Absent)$", "processor.failed"),
    ("Dell", DELL + r"(?:PhysicalDisk|ArrayDisk)(?:Normal|Information|Warning|Failure|NonRecoverable)$", "drive.failed"),
    ("Dell", DELL + r"VirtualDisk(?:Normal|Information|Warning|Failure|NonRecoverable)$", "raid.degraded"),
    ("Dell", DELL + r"Volt(?:ageProbe)?(?:Normal|Warning|Failure|NonRecoverable|Critical)$", "voltage.abnormal"),
    ("Dell", DELL + r"Redundancy(?:Normal|Information|Degraded|Lost)$", "redundancy.lost"),
    ("Dell", DELL + r"(?:ChassisIntrusion)", "chassis.intrusion"),
    ("Dell", DELL + r"LinkStatus", "network.link.down"),
    ("Dell", DELL + r"Controller(?:Normal|Information|Warning|Failure|NonRecoverable)$", "storage.controller.failed"),
    ("Dell", DELL + r"BiosPostFailure$", "boot.failed"),
    ("Dell", DELL + r"PCIDevice(?:Information|Warning|Failure)$", "pci.error"),
    ("Power", r"^(?:upsOnBattery|powerRestored)$", "ups.on-battery"),
    ("Power", r"^(?:lowBattery|returnFromLowBattery)$", "ups.battery.low"),
    ("Power", r"^(?:upsOverload|upsOverloadCleared)$", "ups.overload"),
    ("Power", r"^(?:upsBatteryNeedsReplacement|upsBatteryReplaced)$", "ups.battery.replace"),
    ("Power", r"^(?:communicationLost|communicationEstablished|onbatterycommunicationLost)$", "ups.communication.lost"),
    ("Power", r"^(?:upsTurnedOff|upsTurnedOn)$", "ups.off"),
    ("Power", r"^rPDUOutletOverload(?:Cleared)?$", "pdu.outlet.overload"),
    ("Power", r"^rPDU(?:Load)?(?:Phase|Bank)?Overload(?:Alarm)?(?:Cleared)?$", "pdu.overload"),
    ("Power", r"^(?:rPDU)?[oO]utletOn$", "outlet.on"),
    ("Power", r"^(?:rPDU)?[oO]utletOff$", "outlet.off"),
    ("Power", r"^(?:rPDU)?[oO]utletReboot$", "outlet.reboot"),
    ("Power", r"^temperatureThresholdViolation(?:Cleared)?\d$", "temperature.high"),
]
# What a family of one name keeps: a warning that has no trap of its own for its end does not stay.
PULSES = {"memory.correctable"}
RESOURCES = [("alertFQDD", "${alertFQDD}"), ("drsCA2FQDD", "${drsCA2FQDD}"),
             ("alertTableIndexOID", "${alertTableIndexOID}"), ("drsAlertTableIndexOID", "${drsAlertTableIndexOID}"),
             ("objectNexusEvent", "${objectNexusEvent}"), ("sPDUOutletControlIndex", "outlet/${sPDUOutletControlIndex}"),
             ("rPDUOutletStatusIndex", "outlet/${rPDUOutletStatusIndex}")]
MESSAGES = ["alertMessage", "drsCA2Message", "drsAlertMessage", "drsCAMessage", "descriptionEvent", "mtrapargsString"]

CLEARS = [r"Cleared", r"CLeared", r"Clear$", r"Resolved", r"Restored", r"Recovered", r"NoLonger", r"Normal", r"OK$", r"Ok$",
          r"Established", r"Passed", r"Finished", r"Informational$", r"Information$", r"Enabled$", r"Back$", r"Online$",
          r"Writeable$", r"Connected$", r"Up$", r"Closed$"]
RAISES = [r"Lost", r"Failed", r"Failure", r"Fail", r"Faults?", r"Down", r"Abnormal", r"Warning", r"NonRecoverable",
          r"Critical", r"Degraded", r"Absent", r"Disabled", r"Offline", r"WriteProtected", r"Disconnected", r"Error",
          r"Alarm", r"Violation", r"Threshold", r"Detected", r"Opened", r"Open", r"Active"]


def clear_stems(name):
    for pattern in CLEARS:
        if re.search(pattern, name) and not re.search("Disconnected$", name):
            yield re.sub(pattern, "", name, count=1).lower()


def raise_stems(name):
    yield name.lower()
    for pattern in RAISES:
        if re.search(pattern, name):
            yield re.sub(pattern, "", name, count=1).lower()


def pair(rows, module):
    """name of a row that clears -> names of the rows it clears"""
    by_stem = collections.defaultdict(list)
    clearing = {}
    for row in rows:
        if row["severity"] in (None, "info", "ok") and any(clear_stems(row["name"])):
            continue
        for stem in raise_stems(row["name"]):
            by_stem[stem].append(row["name"])
    for row in rows:
        name = row["name"]
        if name in PAIRS.get(module, {}):
            clearing[name] = PAIRS[module][name]
        elif row["severity"] in (None, "info", "ok"):
            for stem in clear_stems(name):
                found = [other for other in by_stem.get(stem, []) if other != name]
                if found:
                    clearing[name] = found
                    break
    return clearing


def type_of(module, name):
    for part, pattern, event in TYPES:
        if (part.lower() in module.lower() or (part == "Dell" and module in ("IDRAC-MIB-SMIv2", "StorageManagement-MIB"))) \
                and re.search(pattern, name):
            return event
    return None


def guess_severity(name):
    if re.search(r"Critical|Fatal|Emergency", name):
        return "critical"
    if re.search(r"Fail|Down|Fault|Lost|Loss|Error|Alarm|Violation|Unavailable|Unreachable|Overload", name):
        return "major"
    if re.search(r"Warn|Thresh|Exceed|Over|Low|High|Near|Reject|Mismatch|Full|Expire|Denied|Invalid", name):
        return "warning"
    return "info"


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def row_text(row, module, clearing, cleared):
    name = row["name"]
    fields = [("oid", row["trap_oid"]), ("name", module + "::" + name)]
    curated = type_of(module, name)
    group = name
    if name in clearing:
        group = clearing[name][0]
    elif name in cleared:
        group = clearing[cleared[name]][0]
    event = curated or (type_of(module, group) if group != name else None) or "snmp." + group
    if event != "snmp." + name:
        fields.append(("type", event))
    severity = SEVERITY[row["severity"]] if row["severity"] else guess_severity(name)
    fields.append(("severity", severity))
    state = "pulse"
    if event in PULSES:
        state = "pulse"
    elif name in clearing or row["severity"] == "ok":
        state = "clear"
    elif name in cleared or row["state"] in RAISED:
        state = "raise"
    elif curated and row["severity"] == "info" and event not in ("outlet.on", "outlet.off"):
        state = "clear"
    elif curated and row["severity"] == "critical":
        state = "raise"
    if state != "pulse":
        fields.append(("state", state))
    names = [v["name"] for v in row["varbinds"]]
    for wanted, template in RESOURCES:
        if wanted in names:
            fields.append(("resource", template))
            break
    else:
        if event == "temperature.high" and name[-1].isdigit():
            fields.append(("resource", "probe/" + name[-1]))
    for wanted in MESSAGES:
        if wanted in names:
            fields.append(("message", "${%s}" % wanted))
            break
    return "  { " + " ".join("%s = %s;" % (key, quote(value)) for key, value in fields) + " }"


def file_of(row):
    module = row["module"]
    if module in FILES:
        return FILES[module]
    if module.startswith("kentik:"):
        return module.split(":")[1]
    if module.startswith(("IEEE", "LLDP", "MSTP")):
        return "ieee"
    if module.startswith(("NET-SNMP", "UCD-")):
        return "net-snmp"
    return "ietf"


def main():
    rows = []
    seen = set()
    for name in ("definitions.jsonl", "vendor-definitions-apc-dell.jsonl"):
        with open(os.path.join(DATA, name), encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                if row["trap_oid"] not in seen:
                    seen.add(row["trap_oid"])
                    rows.append(row)
    modules = collections.defaultdict(list)
    for row in rows:
        modules[row["module"]].append(row)
    files = collections.defaultdict(list)
    objects = collections.defaultdict(dict)
    known = set()
    for module, members in modules.items():
        clearing = pair(members, module)
        cleared = {}
        for end, begins in clearing.items():
            for begin in begins:
                cleared.setdefault(begin, end)
        for row in members:
            name = file_of(row)
            if row["trap_oid"] not in CURATED_OIDS and module not in CURATED_MODULES:
                files[name].append(row_text(row, module, clearing, cleared))
            if module in CURATED_MODULES or module in ("IF-MIB", "SNMPv2-MIB"):
                continue
            for varbind in row["varbinds"]:
                column = varbind["oid"].removesuffix(".*")
                if column in known:
                    continue
                known.add(column)
                text = "oid = %s; name = %s;" % (quote(column), quote(varbind["name"]))
                if varbind.get("enum"):
                    text += " enum = %s;" % quote(", ".join("%s %s" % pair for pair in varbind["enum"].items()))
                objects[name][column] = "  { " + text + " }"
    differ = 0
    for name in sorted(files):
        text = "# SPDX-License-Identifier: Apache-2.0\n# Written by generate.py from facts of published MIB modules; see README.md.\n\n"
        if objects[name]:
            text += "objects = (\n" + ",\n".join(objects[name].values()) + "\n);\n\n"
        text += "traps = (\n" + ",\n".join(files[name]) + "\n);\n"
        path = os.path.join(HERE, name + ".traps")
        if "--check" in sys.argv:
            with open(path, encoding="utf-8") as old:
                if old.read() != text:
                    print("%s differs from what generate.py writes" % path)
                    differ = 1
        else:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
    return differ


sys.exit(main())
