/** What is checked in of the WebAssembly kernels is what their sources compile to. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startKernel } from "../../src/crypto/webassembly.ts";
import { readProjectFile } from "../repo/source-files.ts";

/** Not a literal, because the types of this package redeclare the global `console` for every file. */
const COMPILER: string = "assemblyscript/asc";

interface Kernel {
  readonly name: string;
  readonly module: string;
  readonly pages: number;
}

interface Compiler {
  readonly KERNELS: readonly Kernel[];
  compileKernel(kernel: Kernel): Promise<Uint8Array>;
  moduleOf(kernel: Kernel, binary: Uint8Array): string;
}

// A JavaScript program without types: it is named by a variable so that the type checker leaves it alone.
const compilerFile = new URL("../../src/crypto/wasm/compile.mjs", import.meta.url).href;
const compiler = (await import(compilerFile)) as Compiler;

/** True where the AssemblyScript compiler is installed; it is a development dependency. */
async function hasCompiler(): Promise<boolean> {
  try {
    await import(COMPILER);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return false;
    throw error;
  }
}

describe("a checked-in WebAssembly kernel", () => {
  for (const kernel of compiler.KERNELS) {
    test(`${kernel.module} is what wasm/${kernel.name}.as compiles to`, async (t) => {
      if (!(await hasCompiler())) {
        t.skip("NOT CHECKED: assemblyscript is not installed here");
        return;
      }
      const made = compiler.moduleOf(kernel, await compiler.compileKernel(kernel));
      assert.equal(readProjectFile(`src/crypto/${kernel.module}`), made, "run npm run build:kernels");
    });
  }
});

test("a binary that the engine refuses is no kernel, and no error", () => {
  assert.equal(startKernel("AGFzbQEAAAAB"), null);
  assert.equal(startKernel(""), null);
  assert.notEqual(startKernel("AGFzbQEAAAA="), null);
});
