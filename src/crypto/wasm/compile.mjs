/**
 * Compiles the AssemblyScript kernels (`*.as` beside this file) and writes each as a TypeScript module that holds the
 * binary in base64, so that neither a build nor a running program needs the compiler or a file besides its modules.
 * Run it after changing a kernel: `npm run build:kernels`. A test compares what is checked in with what this makes.
 */
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HERE = new URL("./", import.meta.url);
/** Characters of base64 in one line of a generated module. */
const LINE = 100;

/** Kernels by the name of their source, with the module that holds the binary and the pages of memory it uses. */
export const KERNELS = [
  { name: "memory-hard-hash", module: "memory-hard-hash-binary.ts", pages: 33 },
  { name: "packet-cipher", module: "packet-cipher-binary.ts", pages: 1 },
];

/** Compiles one kernel; gives the binary, or throws with what the compiler says. */
export async function compileKernel({ name, pages }) {
  const { default: asc } = await import("assemblyscript/asc");
  let binary = null;
  const flags = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd"];
  const memory = ["--initialMemory", `${pages}`, "--maximumMemory", `${pages}`];
  const { error, stderr } = await asc.main([`${name}.ts`, "--outFile", "out.wasm", ...flags, ...memory], {
    // The compiler insists on its sources being called .ts, which every other tool here would take for TypeScript.
    readFile: (path) => {
      try {
        return readFileSync(new URL(path.replace(/\.ts$/, ".as"), HERE), "utf8");
      } catch {
        return null;
      }
    },
    writeFile: (_path, contents) => {
      binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === null) throw new Error(`${name}.as: ${error?.message}\n${stderr}`);
  return binary;
}

/** The text of the module that holds a binary. */
export function moduleOf({ name }, binary) {
  const lines = Buffer.from(binary)
    .toString("base64")
    .match(new RegExp(`.{1,${LINE}}`, "g"));
  const constant = `${name.toUpperCase().replaceAll("-", "_")}_WASM_BASE64`;
  return [
    `/** The kernel wasm/${name}.as, compiled: ${binary.length} bytes in base64. Made by \`npm run build:kernels\`. */`,
    `export const ${constant} = [`,
    ...lines.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const kernel of KERNELS) {
    const binary = await compileKernel(kernel);
    writeFileSync(new URL(`../${kernel.module}`, HERE), moduleOf(kernel, binary));
    console.log(`${kernel.module}: ${binary.length} bytes of WebAssembly`);
  }
}
