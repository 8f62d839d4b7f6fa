// SPDX-License-Identifier: Apache-2.0
// The five conditions of bench_cel.c on the same data in another implementation of the language:
//   node celpeer.mjs PACKAGE [SECONDS]      (run where the package is installed)
// One JSON object: condition -> ns for one evaluation, the best of 5 runs; null where it cannot. A run takes the clock's
// or the processor's time, whichever is less: neither others on the machine nor helper threads count against it.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [name, seconds] = [process.argv[2], Number(process.argv[3] ?? 0.3)];
const require = createRequire(process.cwd() + "/");
const load = async (id) => {
  try {
    return await import(import.meta.resolve(id, pathToFileURL(process.cwd() + "/")));
  } catch {
    return require(id);
  }
};
const module_of = (id) => load(id).then((m) => (m.default && !m.parse && !m.evaluate ? m.default : m));

const conditions = {
  c1: 'event.type == "bmc.memory.uncorrectable" && event.severity >= 4',
  c2: 'event.sev in ["critical","fatal"] && host.labels["env"] == "prod" && !("maintenance" in host.tags)',
  c3: "outlet.amps / outlet.rated_amps > 0.8 && pdu.phase_amps.all(p, p < pdu.phase_limit)",
  c4: 'rack.hosts.filter(h, h.state == "down").size() >= 3 && rack.hosts.exists(h, h.role == "tor")',
  c5: 'event.message.matches("^(DIMM|CPU)[0-9]+ .*uncorrectable") && timestamp(event.time) - timestamp(host.last_reboot) > duration("1h")',
};

const world = (int) => ({
  event: {
    id: "1", type: "bmc.memory.uncorrectable", severity: int(4), sev: "critical",
    message: "DIMM12 on CPU1 had an uncorrectable error", time: "2026-03-02T10:00:00Z",
  },
  host: {
    labels: { site: "a", env: "prod" }, tags: ["k8s", "gpu"],
    last_reboot: "2026-02-02T10:00:00Z", state: "up", role: "node",
  },
  outlet: { amps: 13.4, rated_amps: 16 },
  pdu: { phase_amps: [10, 11.5, 12], phase_limit: 16 },
  rack: {
    hosts: Array.from({ length: 20 }, (_, i) => ({
      name: "h" + i, state: i % 6 === 0 ? "down" : "up", role: i === 19 ? "tor" : "node",
    })),
  },
});

// PACKAGE -> function that compiles a condition once and gives a function to evaluate it.
const makers = {
  "@marcbachmann/cel-js": async () => {
    const cel = await module_of("@marcbachmann/cel-js");
    const values = world(BigInt);
    return (source) => {
      const run = cel.parse(source);
      return () => run(values);
    };
  },
  "@bufbuild/cel": async () => {
    const cel = await module_of("@bufbuild/cel");
    const values = world(BigInt);
    const env = cel.celEnv();
    return (source) => {
      const run = cel.plan(env, cel.parse(source));
      return () => run(values);
    };
  },
  "cel-js": async () => {
    const cel = await module_of("cel-js");
    const values = world(Number);
    return (source) => {
      const parsed = cel.parse(source);
      return () => cel.evaluate(parsed.cst, values);
    };
  },
};

function measure(run) {
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint(), cpu = process.cpuUsage();
    let count = 0, elapsed = 0;
    while (elapsed < (seconds / 5) * 1e9) {
      for (let i = 0; i < 500; i++) {
        if (run() !== true) {
          throw new Error("the condition does not hold");
        }
      }
      count += 500;
      elapsed = Number(process.hrtime.bigint() - start);
    }
    const used = process.cpuUsage(cpu);
    best = Math.min(best, elapsed / count, (used.user + used.system) * 1000 / count);
  }
  return best;
}

const make = await makers[name]();
const result = {};
for (const [condition, source] of Object.entries(conditions)) {
  try {
    result[condition] = measure(make(source));
  } catch (failure) {
    result[condition] = null;
    console.error(`${name} ${condition}: ${String(failure.message ?? failure).split("\n")[0]}`);
  }
}
console.log(JSON.stringify(result));
