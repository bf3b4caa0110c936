/**
 * What can be known about the shipped deployment files without a container engine or a service manager: that they
 * parse, name files that exist, give away no privilege, and agree with each other.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { parse } from "yaml";
import { PROJECT, readProjectFile } from "./source-files.ts";

/** Exposure of systemd-analyze security, times ten, that the unit must stay below. */
const MAX_EXPOSURE = 15;

/** A temporary folder that goes away with the test. */
function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "orrery-deploy-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Runs a tool that not every machine has; null, with a loud line, where it is missing. */
function runTool(
  t: TestContext,
  tool: string,
  args: readonly string[],
): { status: number | null; text: string } | null {
  const result = spawnSync(tool, args, { encoding: "utf8" });
  if (result.error !== undefined) {
    t.skip(`NOT CHECKED: ${tool} is not installed here`);
    return null;
  }
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
}

describe("deploy/orrery.service", () => {
  const unit = readProjectFile("deploy/orrery.service");
  const values = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map((match) => match[1]!);

  test("is a unit that systemd accepts", (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "orrery.service");
    // The program is not installed here; the check wants an executable, and a manual that exists.
    const local = unit
      .replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`)
      .replace(/^Documentation=.*$/m, `Documentation=file:${PROJECT}/LICENSE`);
    writeFileSync(file, local);
    const result = runTool(t, "systemd-analyze", ["verify", "--man=no", file]);
    if (result === null) return;
    assert.equal(result.status, 0, result.text);
    assert.doesNotMatch(result.text, /orrery\.service:\d+/);
  });

  test(`is exposed by less than ${MAX_EXPOSURE / 10} of 10`, (t) => {
    const file = join(PROJECT, "deploy/orrery.service");
    const result = runTool(t, "systemd-analyze", [
      "security",
      "--offline=true",
      `--threshold=${MAX_EXPOSURE}`,
      "--no-pager",
      file,
    ]);
    if (result === null) return;
    // systemd before 250 cannot judge a file that is not installed.
    if (/unrecognized option/.test(result.text)) t.skip("NOT CHECKED: this systemd-analyze is too old");
    else assert.equal(result.status, 0, result.text);
  });

  test("starts the program as its command line wants it, in the directory that systemd makes for it", () => {
    assert.deepEqual(values("ExecStart"), ["/usr/bin/node /usr/lib/orrery/dist/main.js up --home /var/lib/orrery"]);
    assert.deepEqual(values("StateDirectory"), ["orrery"]);
    assert.deepEqual(values("StateDirectoryMode"), ["0700"]);
    assert.match(readProjectFile("deploy/orrery.sysusers.conf"), new RegExp(`^u ${values("User")[0]} - `, "m"));
  });

  test("restarts after every failure but a wrong configuration, which exits with 78", () => {
    assert.deepEqual(values("Restart"), ["always"]);
    assert.deepEqual(values("RestartPreventExitStatus"), ["78"]);
    assert.deepEqual(values("ExecReload"), ["/bin/kill -HUP $MAINPID"]);
  });

  test("has no capability, and leaves the JavaScript engine its executable memory", () => {
    assert.deepEqual(values("CapabilityBoundingSet"), [""]);
    assert.deepEqual(values("AmbientCapabilities"), [""]);
    assert.deepEqual(values("NoNewPrivileges"), ["yes"]);
    assert.deepEqual(values("MemoryDenyWriteExecute"), []);
  });
});

interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** Instructions of a Dockerfile in order, continuation lines joined, comments gone. */
function instructionsOf(dockerfile: string): Instruction[] {
  return dockerfile
    .split("\n")
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .replace(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => ({ name: line.split(" ", 1)[0]!, text: line.slice(line.indexOf(" ") + 1).trim() }));
}

describe("deploy/Dockerfile", () => {
  const instructions = instructionsOf(readProjectFile("deploy/Dockerfile"));
  const finalStage = instructions.slice(instructions.findLastIndex(({ name }) => name === "FROM"));
  const all = (name: string) => instructions.filter((one) => one.name === name).map(({ text }) => text);
  const final = (name: string) => finalStage.filter((one) => one.name === name).map(({ text }) => text);

  test("has only instructions that exist, and downloads nothing by ADD", () => {
    const known = "ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN STOPSIGNAL USER VOLUME WORKDIR".split(
      " ",
    );
    assert.deepEqual(
      instructions.map(({ name }) => name).filter((name) => !known.includes(name)),
      [],
    );
    assert.ok(instructions.every(({ text }) => !/https?:/.test(text) || /127\.0\.0\.1/.test(text)));
  });

  test("copies files that exist and that .dockerignore lets through", () => {
    const lines = readProjectFile(".dockerignore").split("\n");
    assert.equal(
      lines.find((line) => line !== "" && !line.startsWith("#")),
      "*",
    );
    const passed = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    const sources = all("COPY")
      .filter((text) => !text.includes("--from="))
      .flatMap((text) => text.split(/\s+/).slice(0, -1));
    assert.ok(sources.length > 5);
    for (const source of sources) {
      const path = source.replace(/^\.\//, "");
      assert.ok(existsSync(join(PROJECT, path)), `${path} does not exist`);
      assert.ok(passed.includes(path), `.dockerignore keeps ${path} out`);
    }
    for (const path of passed) assert.ok(existsSync(join(PROJECT, path)), `.dockerignore names ${path}`);
  });

  test("builds with scripts that package.json has, and runs no script of a dependency", () => {
    const { scripts } = JSON.parse(readProjectFile("package.json")) as { scripts: Record<string, string> };
    for (const run of all("RUN")) {
      const script = /^npm run (\S+)/.exec(run)?.[1];
      if (script !== undefined) assert.ok(scripts[script] !== undefined, `npm run ${script}`);
      if (/^npm (?:ci|prune)/.test(run)) assert.match(run, /--ignore-scripts/);
    }
  });

  test("ends as a numeric user that is not root, with one volume and no step that needs the target's processor", () => {
    assert.match(final("USER").join(), /^\$\{ORRERY_UID\}:\$\{ORRERY_UID\}$/);
    assert.ok(all("ARG").includes("ORRERY_UID=10001"));
    assert.deepEqual(final("ARG"), ["ORRERY_UID"]);
    assert.deepEqual(final("VOLUME"), ["/var/lib/orrery"]);
    assert.deepEqual(final("RUN"), []);
    assert.deepEqual(final("EXPOSE"), ["9993/udp"]);
  });

  test("starts the program directly, so that it gets the stop signal itself", () => {
    assert.deepEqual(JSON.parse(final("ENTRYPOINT")[0]!), ["node", "dist/main.js"]);
    assert.deepEqual(JSON.parse(final("CMD")[0]!), ["up", "--home", "/var/lib/orrery"]);
  });

  test("asks for its health in a way that tells ready from unready and from dead", async () => {
    const [, command] = /CMD (\[.*\])$/.exec(final("HEALTHCHECK")[0]!)!;
    const [program, flag, script] = JSON.parse(command!) as [string, string, string];
    assert.deepEqual([program, flag], ["node", "-e"]);
    assert.match(script, /127\.0\.0\.1:9994\/healthz\/ready'/);
    let status = 200;
    const server = createServer((_request, response) => response.writeHead(status).end("{}"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const probe = () =>
      new Promise<number>((resolve) => {
        const child = execFile(process.execPath, ["-e", script.replace(":9994", `:${port}`)]);
        child.on("exit", (code) => resolve(code ?? -1));
      });
    assert.equal(await probe(), 0);
    status = 503;
    assert.equal(await probe(), 1);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await probe(), 1);
  });
});

describe("deploy/prune-binaries.mjs", () => {
  const script = join(PROJECT, "deploy/prune-binaries.mjs");
  const abi = process.versions.modules;

  /** Prunes a package that has `files`; returns what is left of it, relative and sorted, or null. */
  function prune(t: TestContext, files: readonly string[], arch: string): string[] | null {
    const modules = temporaryFolder(t);
    const folder = join(modules, "uWebSockets.js");
    for (const file of ["package.json", "src/uws.js", "dist/index.js", "docs/page.md", ...files]) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), "");
    }
    const result = spawnSync(process.execPath, [script, modules, arch], { encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
    if (!existsSync(folder)) return null;
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.includes("."))
      .sort();
  }

  test("keeps the one binary that the image can load, and what loads it", (t) => {
    const files = [`linux_x64_${abi}`, `linux_arm64_${abi}`, "linux_x64_93", "win32_x64_93"].map(
      (name) => `binaries/uws_${name}.node`,
    );
    assert.deepEqual(prune(t, files, "amd64"), [`binaries/uws_linux_x64_${abi}.node`, "package.json", "src/uws.js"]);
    assert.deepEqual(prune(t, files, "arm64"), [`binaries/uws_linux_arm64_${abi}.node`, "package.json", "src/uws.js"]);
  });

  test("removes a package without such a binary, and does not mind that the package is absent", (t) => {
    assert.equal(prune(t, ["binaries/uws_linux_x64_93.node"], "arm"), null);
    const empty = temporaryFolder(t);
    assert.equal(spawnSync(process.execPath, [script, empty, "arm64"]).status, 0);
  });

  test("looks where the installed package keeps its binaries", () => {
    const folder = join(PROJECT, "node_modules/uWebSockets.js/binaries");
    if (existsSync(folder)) assert.ok(readdirSync(folder).every((file) => /^uws_\w+_\w+_\d+\.node$/.test(file)));
  });
});

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly user?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly devices?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

describe("deploy/compose.yaml", () => {
  const compose = parse(readProjectFile("deploy/compose.yaml"), { merge: true }) as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
  };
  const services = Object.entries(compose.services);

  test("gives no service a capability, a device or a writable root", () => {
    assert.deepEqual(Object.keys(compose.services), ["orrery", "prometheus", "grafana"]);
    for (const [name, service] of services) {
      assert.deepEqual(service.cap_drop, ["ALL"], name);
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
      assert.deepEqual([service.privileged, service.cap_add, service.devices], [undefined, undefined, undefined], name);
      if (service.build === undefined) assert.match(service.user ?? "", /^[1-9]\d*:\d+$/, name);
    }
  });

  test("opens nothing to the world but the ZeroTier port", () => {
    const open = services.flatMap(([, { ports }]) => ports ?? []).filter((port) => !port.startsWith("127.0.0.1:"));
    assert.deepEqual(open, ["9993:9993/udp"]);
  });

  test("names images with a version", () => {
    for (const [name, service] of services) {
      if (service.build === undefined) assert.match(service.image, /:v?\d+\.\d+\.\d+(?:@sha256:[0-9a-f]{64})?$/, name);
    }
  });

  test("mounts files that exist, read-only, and volumes that it declares", () => {
    for (const [name, service] of services) {
      for (const volume of service.volumes ?? []) {
        const [source, target, mode] = volume.split(":") as [string, string, string | undefined];
        assert.match(target, /^\//, name);
        if (source.startsWith(".")) {
          assert.ok(existsSync(join(PROJECT, "deploy", source)), `${name}: ${source}`);
          assert.equal(mode, "ro", `${name}: ${source}`);
        } else {
          assert.ok(source in compose.volumes, `${name}: ${source}`);
        }
      }
    }
    const build = compose.services["orrery"]!.build!;
    assert.ok(existsSync(join(PROJECT, "deploy", build.context, build.dockerfile)));
  });

  test("has Prometheus scrape where Orrery listens, and Grafana ask that Prometheus", () => {
    const prometheus = parse(readProjectFile("grafana/prometheus.yml")) as {
      rule_files: string[];
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    const job = prometheus.scrape_configs.find(({ job_name }) => job_name === "orrery")!;
    assert.deepEqual(job.static_configs[0]!.targets, ["orrery:9994"]);
    assert.equal(compose.services["orrery"]!.environment!["ORRERY_TELEMETRY_LISTEN"], "0.0.0.0:9994");
    const mounted = compose.services["prometheus"]!.volumes!.map((volume) => volume.split(":")[1]);
    for (const file of prometheus.rule_files) assert.ok(mounted.includes(`/etc/prometheus/${file}`), file);
    const source = parse(readProjectFile("grafana/provisioning/datasources/prometheus.yml")) as {
      datasources: { url: string }[];
    };
    assert.equal(source.datasources[0]!.url, "http://prometheus:9090");
  });

  test("puts the dashboards where their provider looks for them", () => {
    const provider = parse(readProjectFile("grafana/provisioning/dashboards/orrery.yml")) as {
      providers: { options: { path: string } }[];
    };
    const mounted = compose.services["grafana"]!.volumes!.map((volume) => volume.split(":")[1]);
    assert.ok(mounted.includes(provider.providers[0]!.options.path));
  });

  test("has a Prometheus configuration that promtool accepts, rules included", (t) => {
    const folder = temporaryFolder(t);
    cpSync(join(PROJECT, "grafana/prometheus.yml"), join(folder, "prometheus.yml"));
    cpSync(join(PROJECT, "grafana/alerts.yml"), join(folder, "alerts.yml"));
    const result = runTool(t, "promtool", ["check", "config", join(folder, "prometheus.yml")]);
    if (result !== null) assert.equal(result.status, 0, result.text);
  });
});

describe("deploy/routeros.rsc", () => {
  const script = readProjectFile("deploy/routeros.rsc");
  const commands = script
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

  test("has only commands, each with balanced quotes and brackets", () => {
    for (const command of commands) {
      assert.match(command, /^(?:\/[a-z]+(?:\/[a-z-]+)+ |:global )/);
      assert.equal((command.match(/"/g)?.length ?? 0) % 2, 0, command);
      assert.equal(command.split("[").length, command.split("]").length, command);
    }
  });

  test("mounts the image's volume and forwards the ZeroTier port to the container's address", () => {
    const text = commands.join("\n");
    assert.match(text, /mounts\/add .*dst=\/var\/lib\/orrery/);
    const address = /veth\/add .*address=([\d.]+)\/30/.exec(text)![1]!;
    assert.match(text, new RegExp(`dst-port=9993 action=dst-nat to-addresses=${address} to-ports=9993`));
    for (const [, home] of text.matchAll(/--home (\S+?)["\s]/g)) assert.equal(home, "/var/lib/orrery");
  });
});
