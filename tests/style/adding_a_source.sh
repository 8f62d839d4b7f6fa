#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
# A new source is one new folder: in a copy of the tree, a folder is added, nothing else is touched, and it builds.
set -eu
cd "${NS_SOURCE:?}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$dir" 2>/dev/null
mkdir "$dir/bridge/source/drumbeat"
cat >"$dir/bridge/source/drumbeat/drumbeat_listen.c" <<'C'
/* SPDX-License-Identifier: Apache-2.0 */
#include "drumbeat_listen.h"

#include "loop/intake.h"
#include "model/event.h"

int drumbeat_push(struct intake *intake, const struct event *event, struct nsh_error *err)
{
    uint8_t bytes[4096];
    if (event_packed_bytes(event) > sizeof bytes) {
        return nsh_fail(err, NSH_LIMIT, "an event of %zu bytes", event_packed_bytes(event));
    }
    struct intake_batch batch = {.bytes = bytes, .events_count = 1};
    batch.bytes_count = event_pack(event, bytes, sizeof bytes);
    return intake_push(intake, &batch, err);
}
C
cat >"$dir/bridge/source/drumbeat/drumbeat_listen.h" <<'C'
/* SPDX-License-Identifier: Apache-2.0 */
#include "abi/error.h"

struct intake;
struct event;
int drumbeat_push(struct intake *intake, const struct event *event, struct nsh_error *err);
C
cmake -S "$dir" -B "$dir/build" -G Ninja >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
ninja -C "$dir/build" ns_source_drumbeat >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
[ -e "$dir/build/libns_source_drumbeat.a" ]
# The daemon links every source: a list of them exists nowhere.
ninja -C "$dir/build" -t inputs bin/nightshiftd | grep -q libns_source_drumbeat.a || { echo "the daemon does not link it"; exit 1; }
