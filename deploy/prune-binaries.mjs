/**
 * Image build step: deletes what uWebSockets.js carries for other platforms and for no platform at all, which is most
 * of the installed bytes. Without a binary for this platform and Node version the whole package goes, and the program
 * serves HTTP with its own engine.
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
const packageFolder = join(nodeModules, "uWebSockets.js");
const binaries = join(packageFolder, "binaries");
const remove = (path) => rmSync(path, { recursive: true, force: true });

if (existsSync(join(binaries, wanted))) {
  for (const file of readdirSync(binaries)) if (file !== wanted) remove(join(binaries, file));
  // The package's fallback in JavaScript, which is never loaded, and its documentation.
  remove(join(packageFolder, "dist"));
  remove(join(packageFolder, "docs"));
  console.log(`${wanted}: kept`);
} else {
  remove(packageFolder);
  console.log(`${wanted}: not available, the built-in engine serves HTTP`);
}
