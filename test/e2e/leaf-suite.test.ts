/** What `npm run interop` asks of every pairing, asked of our own program: the checks that take no minute. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { loadLibc } from "../../src/io/linux/libc.ts";
import { CHECKS } from "../interop/checks.ts";
import { NetworkLab } from "../interop/network-lab.ts";
import { ORRERY } from "../interop/node.ts";
import { labUnavailable } from "./lab.ts";

const LEFT_OUT = ["TCP and UDP", "mDNS", "rules drop"];

function unavailable(): string | false {
  const reason = labUnavailable();
  if (reason !== false) return reason;
  const tools = ["tcpdump", "curl", "ping"].filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (loadLibc() === null) tools.push("koffi");
  if (!existsSync("/dev/net/tun")) tools.push("/dev/net/tun");
  if (tools.length === 0) return false;
  process.stderr.write(`\nTHE SUITE OF LEAVES is skipped, missing: ${tools.join(", ")}\n\n`);
  return `missing: ${tools.join(", ")}`;
}

describe("leaves of ours, as in every pairing", { skip: unavailable() }, () => {
  let lab: NetworkLab;

  before(async () => {
    lab = new NetworkLab({ root: ORRERY, controller: ORRERY, a: ORRERY, b: ORRERY });
    await lab.start();
  });
  after(() => lab?.close());

  for (const check of CHECKS) {
    if (!LEFT_OUT.includes(check.name)) {
      test(check.name, async (t) => t.diagnostic(await check.run(lab)));
    }
  }
});
