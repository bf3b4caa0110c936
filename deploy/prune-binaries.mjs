/**
 * Image build step: deletes the uWebSockets.js binaries of other platforms, which are most of the installed bytes.
 * Without a binary for this platform and Node version the program serves HTTP with its own engine.
 *
 *   node deploy/prune-binaries.mjs NODE_MODULES [ARCH]
 *
 * ARCH is the container builder's name (amd64, arm64, arm) or node's; by default this machine's. The ABI is that
 * of the node that runs this script, which is the one of the image.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const [nodeModules, target] = process.argv.slice(2);
if (nodeModules === undefined) {
  console.error("usage: node deploy/prune-binaries.mjs NODE_MODULES [ARCH]");
  process.exit(2);
}
const arch = { amd64: "x64", "": process.arch }[target ?? ""] ?? target;
const wanted = `uws_linux_${arch}_${process.versions.modules}.node`;
const folder = join(nodeModules, "uWebSockets.js", "binaries");
const found = existsSync(folder) ? readdirSync(folder) : [];
for (const file of found) if (file !== wanted) rmSync(join(folder, file));
console.log(`${wanted}: ${found.includes(wanted) ? "kept" : "not available, the built-in engine serves HTTP"}`);
