/** A thread that reads TAP devices and dies at once as long as main's environment says so when it is started. */
if (process.env["CRASH_TAP_WORKER"] !== undefined) throw new Error("crashed on purpose");
await import("../../src/dataplane/tap-worker.ts");

export {};
