/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_SIM_SIM_POLICIES_H
#define UNIT_SIM_SIM_POLICIES_H

/* Policies for the faults of simulated worlds: a cycle, a ladder of two, a fence with a dependent.
 */

#define POLICY(name, event, settle, steps)                                                         \
    "{ name = \"" name "\"; summary = \"" name "\"; owner = \"ops\"; subject = \"host\"; mode = "  \
    "\"enforce\"; when = { event = \"" event "\"; severity = \"major\"; settle = \"" settle        \
    "\"; }; unless = ( \"host.maintenance\" ); limits = { once_within = \"1h\"; }; do = ( " steps  \
    "{ step = \"verify\"; check = \"cleared\"; within = \"5m\"; every = \"5s\"; } ); else = ( { "  \
    "step = \"page\"; action = \"page\"; with = { text = \"${host.name}: ${failure}\"; }; } ); }"

/* The checks of the simulated world know these by name. */
#define ASKS(name, event, ask)                                                                     \
    POLICY(name, event, "2s",                                                                      \
           "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; " ask "}, ")

static const char *const policy_text =
    "policies: (\n" POLICY("memory-fatal", "memory.uncorrectable", "2s",
                           "{ step = \"cycle\"; action = \"power.cycle\"; timeout = \"1m\"; }, ") //
    ",\n" POLICY("host-hung", "os.watchdog.expired", "5s",
                 "{ step = \"reset\"; action = \"reset.hard\"; timeout = \"2m\"; on_fail = "
                 "\"continue\"; retries = 1; retry_delay = \"20s\"; }, "
                 "{ step = \"up\"; check = \"cleared\"; within = \"2m\"; every = \"10s\"; on_fail "
                 "= \"continue\"; }, { step = \"cycle\"; action = \"power.cycle\"; timeout = "
                 "\"1m\"; if = \"!steps.up.ok\"; }, ") //
    ",\n" POLICY("fence", "host.unreachable", "5s",
                 "{ step = \"look\"; action = \"power.status\"; on_fail = \"continue\"; }, "
                 "{ step = \"off\"; action = \"power.off\"; timeout = \"1m\"; }, "
                 "{ step = \"evacuate\"; action = \"evacuate\"; timeout = \"2m\"; }, "
                 "{ step = \"on\"; action = \"power.on\"; timeout = \"1m\"; }, ")        //
    ",\n" ASKS("ask-one", "processor.failed", "approve = { timeout = \"10m\"; }; ")      //
    ",\n" ASKS("ask-two", "os.crashed", "approve = { count = 2; timeout = \"10m\"; }; ") //
    ",\n" ASKS("ask-nobody", "pci.error",
               "approve = { timeout = \"5m\"; on_timeout = \"allow\"; }; ") //
    ",\n" ASKS("vetoable", "gpu.lost", "veto = \"2m\"; ")                   //
    " );\n";

#endif
