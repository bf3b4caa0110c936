/**
 * A whole home in one file, and back. The file is a gzipped tar: `manifest.json` comes first and tells size and SHA-256
 * of everything else, `orrery.db` is a consistent copy that is taken while the controller goes on writing.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { extract, pack } from "tar-stream";
import { ConfigError } from "../config/errors.ts";
import { fsCode, SECRET_MODE, syncDirectory } from "./atomic-file.ts";
import { DATABASE_FILE } from "./database.ts";
import { snapshotSqlite } from "./sqlite.ts";

const MANIFEST = "manifest.json";
const FORMAT_VERSION = 1;
const DIRECTORY_MODE = 0o700;
const MAX_MANIFEST_BYTES = 1 << 20;
const MAX_FILES = 100_000;
/** Folders of a home that hold what cannot be made again; what is directly in the home is taken too. */
const FOLDERS = ["moons.d", "networks.d", "signing", "controller.d"];
/** Made anew, or of this very run. */
const LEFT_OUT = /^(?:zerotier-one\.(?:port|pid)|metrics\.prom|peers\.journal.*|orrery\.db.*|\..*)$/;

interface BackedUpFile {
  /** Relative to the home, with `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface BackupManifest {
  readonly formatVersion: number;
  /** Of the program. */
  readonly program: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly files: readonly BackedUpFile[];
}

/** Writes the backup of `home` to `file`, which becomes complete at once. Throws ConfigError. */
export async function backUp(home: string, file: string, program: string, at: Date): Promise<BackupManifest> {
  const target = resolve(file);
  const work = await mkdtemp(join(dirname(target), ".orrery-backup-"));
  try {
    const paths = await filesOf(home);
    const copies = join(work, "files");
    for (const path of paths) {
      await mkdir(dirname(join(copies, path)), { recursive: true, mode: DIRECTORY_MODE });
      // Copied first, so that what the manifest says is what is in the file, whatever changes meanwhile.
      await copyFile(join(home, path), join(copies, path));
    }
    if (await exists(join(home, DATABASE_FILE))) {
      snapshotSqlite(join(home, DATABASE_FILE), join(copies, DATABASE_FILE));
      paths.push(DATABASE_FILE);
    }
    if (paths.length === 0) throw problem("holds nothing to back up", home, "name the home with --home");
    const files: BackedUpFile[] = [];
    for (const path of paths) files.push({ path, ...(await digest(join(copies, path))) });
    const manifest = { formatVersion: FORMAT_VERSION, program, createdAt: at.toISOString(), files };
    const complete = join(work, "backup");
    await writeTar(complete, copies, manifest);
    await rename(complete, target);
    syncDirectory(dirname(target));
    return manifest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Makes `home` of a backup. Everything is unpacked beside it and checked before anything is put in its place. With
 * `force` a home that is not empty is moved aside, to the path that is returned. Throws ConfigError.
 */
export async function restore(
  file: string,
  home: string,
  force: boolean,
): Promise<{ readonly manifest: BackupManifest; readonly movedTo: string | null }> {
  const target = resolve(home);
  const occupied = await isOccupied(target);
  if (occupied && !force) {
    throw problem("is not empty", target, "name another --home, or add --force, which moves this one aside");
  }
  await mkdir(dirname(target), { recursive: true });
  const work = await mkdtemp(join(dirname(target), ".orrery-restore-"));
  try {
    const manifest = await unpack(file, work);
    let movedTo: string | null = null;
    if (occupied) {
      movedTo = `${target}.before-restore-${manifest.createdAt.replace(/[^0-9]/g, "").slice(0, 14)}-${process.pid}`;
      await rename(target, movedTo);
    } else await rm(target, { recursive: true, force: true });
    await rename(work, target);
    syncDirectory(dirname(target));
    return { manifest, movedTo };
  } catch (error) {
    await rm(work, { recursive: true, force: true });
    throw error;
  }
}

function problem(what: string, file: string, advice: string): ConfigError {
  return new ConfigError(what, { file, advice });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function isOccupied(home: string): Promise<boolean> {
  try {
    return (await readdir(home)).length > 0;
  } catch (error) {
    if (fsCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** What is worth keeping, relative to the home. */
async function filesOf(home: string): Promise<string[]> {
  const paths: string[] = [];
  for (const folder of ["", ...FOLDERS]) await collect(home, folder, paths);
  return paths.sort();
}

async function collect(home: string, folder: string, paths: string[]): Promise<void> {
  const entries = await readdir(join(home, folder), { withFileTypes: true }).catch((error: unknown) => {
    if (folder !== "" && fsCode(error) === "ENOENT") return [];
    throw problem(`cannot be read (${fsCode(error)})`, join(home, folder), "name a home that this user may read");
  });
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && folder !== "") await collect(home, path, paths);
    else if (entry.isFile() && !LEFT_OUT.test(entry.name)) paths.push(path);
  }
}

async function digest(path: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

async function writeTar(file: string, folder: string, manifest: BackupManifest): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createGzip(), createWriteStream(file, { mode: SECRET_MODE }));
  tar.entry({ name: MANIFEST, mode: SECRET_MODE }, `${JSON.stringify(manifest, null, 2)}\n`);
  for (const { path, bytes } of manifest.files) {
    await pipeline(createReadStream(join(folder, path)), tar.entry({ name: path, size: bytes, mode: SECRET_MODE }));
  }
  tar.finalize();
  await written;
  const handle = await open(file, "r");
  await handle.sync().finally(() => handle.close());
}

/** Unpacks into `folder`; throws unless every file is what the manifest says, and nothing else is there. */
async function unpack(file: string, folder: string): Promise<BackupManifest> {
  const damaged = (what: string) => problem(what, file, "take another backup; this one cannot be trusted");
  const reader = extract();
  const source = createReadStream(file);
  const reading = pipeline(source, createGunzip(), reader).catch((error: unknown) => {
    if (fsCode(error) === "ENOENT") throw problem("is not there", file, "name a file that orrery backup made");
    throw damaged(`is no backup, or damaged (${(error as Error).message})`);
  });
  // Awaited below; until then a failure must not count as one that nobody looks at.
  reading.catch(() => {});
  let manifest: BackupManifest | null = null;
  const missing = new Map<string, BackedUpFile>();
  try {
    for await (const entry of reader) {
      const { name } = entry.header;
      if (manifest === null) {
        if (name !== MANIFEST) throw damaged(`begins with ${name} and not with ${MANIFEST}`);
        manifest = parseManifest(await textOf(entry as AsyncIterable<Buffer>), damaged);
        for (const one of manifest.files) missing.set(one.path, one);
        continue;
      }
      const expected = missing.get(name);
      if (expected === undefined) throw damaged(`holds ${name}, which its manifest does not name`);
      missing.delete(name);
      const path = resolve(folder, name);
      if (!path.startsWith(resolve(folder) + sep)) throw damaged(`names the path ${name}`);
      await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
      await pipeline(entry, createWriteStream(path, { mode: SECRET_MODE }));
      const { bytes, sha256 } = await digest(path);
      if (bytes !== expected.bytes || sha256 !== expected.sha256) throw damaged(`holds a damaged ${name}`);
    }
  } catch (error) {
    source.destroy();
    await reading.catch((cause: unknown) => {
      if (cause instanceof ConfigError && !(error instanceof ConfigError)) throw cause;
    });
    throw error;
  }
  await reading;
  if (manifest === null) throw damaged("is empty");
  const [first] = missing.keys();
  if (first !== undefined) throw damaged(`ends before ${first}`);
  return manifest;
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > MAX_MANIFEST_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseManifest(text: string, damaged: (what: string) => ConfigError): BackupManifest {
  let value: Partial<BackupManifest>;
  try {
    value = JSON.parse(text) as Partial<BackupManifest>;
  } catch {
    throw damaged("has a manifest that is no JSON");
  }
  const { formatVersion, files, program, createdAt } = value;
  if (formatVersion !== FORMAT_VERSION)
    throw damaged(`is of format ${String(formatVersion)}, and this program knows ${FORMAT_VERSION}`);
  const isFile = (one: unknown): one is BackedUpFile => {
    const { path, bytes, sha256 } = (one ?? {}) as Partial<BackedUpFile>;
    return typeof path === "string" && Number.isSafeInteger(bytes) && typeof sha256 === "string";
  };
  if (!Array.isArray(files) || files.length > MAX_FILES || !files.every(isFile))
    throw damaged("has a manifest without files");
  return { formatVersion, files, program: String(program), createdAt: String(createdAt) };
}

/** Only the manifest of a backup, to look at it. Throws ConfigError. */
export async function readManifest(file: string): Promise<BackupManifest> {
  const work = await mkdtemp(join(dirname(resolve(file)), ".orrery-check-"));
  try {
    return await unpack(file, work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
