/**
 * Starting the WebAssembly kernels (wasm/README.md). Their binaries come as base64 in modules of ours, so nothing is
 * read from disk, from source and from dist alike.
 */

/** The part of the WebAssembly interface that is used here; the ES library types do not have it. */
interface WebAssemblyInterface {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

/**
 * Compiles and starts a kernel; gives its exports, whose type the caller knows. Null where it cannot run: WebAssembly
 * or its vector instructions are missing (a very old processor, or an engine told to compile nothing).
 */
export function startKernel<Exports>(base64: string): Exports | null {
  const { WebAssembly: engine } = globalThis as { WebAssembly?: WebAssemblyInterface };
  if (engine === undefined) return null;
  try {
    return new engine.Instance(new engine.Module(Buffer.from(base64, "base64")), {}).exports as Exports;
  } catch {
    return null;
  }
}
