/**
 * The home directory. Its layout is the reference's, so that a home can be taken over and handed back; what we do
 * not use (networks.d, controller.d …) is left alone. Facts: local-api.md §7, vl1-identity-crypto.md §11,
 * vl1-behaviour.md §6.2.
 *
 *   identity.secret, identity.public    who we are                 planet                  the world we were born in
 *   authtoken.secret, metricstoken.secret                          moons.d/<16 hex>.moon   worlds we orbit
 *   zerotier-one.port, zerotier-one.pid                            local.conf, trustedpaths
 *   devicemap                           names of networks' interfaces (only read)
 *   peers.d/<10 hex>.peer               the reference's peer cache; ours is peers.cache (peer-cache.ts)
 *   signing/<16 hex>.secret             keys that sign our worlds (ours, 0700)
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ConfigError } from "../config/errors.ts";
import { publicFromSecret } from "../crypto/c25519.ts";
import { validateIdentity } from "../identity/generate.ts";
import { formatIdentity, type Identity, parseIdentity } from "../identity/identity.ts";
import { randomInteger } from "../io/random.ts";
import { parseDeviceMap } from "../network/interface-name.ts";
import type { NetworkId } from "../network/network-id.ts";
import type { Random, WorldStore } from "../node/ports.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import type { SigningKey } from "../world/forge.ts";
import { decodeWorld, formatWorldId, MAX_WORLD_BYTES, type World, WorldType } from "../world/world.ts";
import {
  fileError,
  fsCode,
  makeDirectory,
  PUBLIC_MODE,
  readIfPresent,
  readTextIfPresent,
  removeIfPresent,
  SECRET_MODE,
  tightenSecret,
  writeIfChanged,
} from "./atomic-file.ts";
import { acquirePidFile, releasePidFile } from "./pid-file.ts";
import { formatSigningKey, parseSigningKey } from "./signing-keys.ts";

const MAX_PEM_BYTES = 65_536;
const DIRECTORY_MODE = 0o755;
const SECRET_DIRECTORY_MODE = 0o700;
const MAX_TEXT_BYTES = 65_536;
const MAX_LOCAL_CONF_BYTES = 1 << 20;
const TOKEN_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const TOKEN_LENGTH = 24;
const MOON_FILE = /^([0-9a-f]{16})\.moon$/;

/** Not the reference's: who asks the daemon whether it answers. */
const PROBER_FILE = "prober.secret";

/** A home directory. Everything is read and written when asked; nothing is kept in memory. */
export class Home implements WorldStore {
  /** Absolute. */
  readonly path: string;
  /** Things the operator should hear of once, such as a secret that others could read. */
  readonly warnings: string[] = [];

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** A file of this home. */
  file(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Makes the directory if it is missing. Throws ConfigError. */
  prepare(): void {
    makeDirectory(this.path, DIRECTORY_MODE);
  }

  /** What the file `devicemap` calls the interfaces of networks. Throws ConfigError if it cannot be read. */
  interfaceNames(): Map<NetworkId, string> {
    return parseDeviceMap(readTextIfPresent(this.file("devicemap"), MAX_TEXT_BYTES) ?? "");
  }

  /** True if the reference kept peers here, so that it may want them back. */
  get hasPeersDirectory(): boolean {
    return existsSync(this.file("peers.d"));
  }

  /** Refuses (ConfigError) if another live process uses this home; otherwise it is ours until `releasePid`. */
  acquirePid(): void {
    acquirePidFile(this.file("zerotier-one.pid"));
  }

  releasePid(): void {
    releasePidFile(this.file("zerotier-one.pid"));
  }

  /** Tells local tools the primary port. */
  writePort(port: number): void {
    writeIfChanged(this.file("zerotier-one.port"), String(port), PUBLIC_MODE);
  }

  /**
   * Our identity with its secret, or null on a home that has none. Rewrites identity.public if it differs. Checks
   * that the parts belong together (slow, ~20 ms) and throws ConfigError if they do not.
   */
  loadIdentity(): Identity | null {
    const path = this.file("identity.secret");
    const text = this.#readSecret(path);
    if (text === null) return null;
    const identity = parseIdentity(text);
    const problem = identity === null ? "holds no identity" : identityProblem(identity);
    if (identity === null || problem !== null) {
      throw new ConfigError(problem ?? "", {
        file: path,
        advice: "restore it from a backup; move it away only if a new address, unknown to every client, is acceptable",
      });
    }
    writeIfChanged(this.file("identity.public"), formatIdentity(identity), PUBLIC_MODE);
    return identity;
  }

  /** Writes both identity files. Throws if the identity has no secret, ConfigError if the disk refuses. */
  saveIdentity(identity: Identity): void {
    if (!identity.hasSecret) throw new Error("an identity without its secret cannot be ours");
    writeIfChanged(this.file("identity.secret"), formatIdentity(identity, true), SECRET_MODE);
    writeIfChanged(this.file("identity.public"), formatIdentity(identity), PUBLIC_MODE);
  }

  /** The identity with which the daemon asks itself for its health, or null. A damaged one is as good as none. */
  loadProber(): Identity | null {
    const text = this.#readSecret(this.file(PROBER_FILE));
    const identity = text === null ? null : parseIdentity(text);
    return identity?.hasSecret ? identity : null;
  }

  saveProber(identity: Identity): void {
    writeIfChanged(this.file(PROBER_FILE), formatIdentity(identity, true), SECRET_MODE);
  }

  /** Replaces `metrics.prom`, which some tools read instead of scraping. */
  writeMetrics(text: string): void {
    writeIfChanged(this.file("metrics.prom"), text, PUBLIC_MODE);
  }

  /** The world in `planet`, or null if there is no such file. Throws ConfigError if it is damaged. */
  loadPlanet(): World | null {
    return loadWorld(this.file("planet"), WorldType.PLANET, "move it away to have a new planet made");
  }

  savePlanet(world: World): void {
    writeIfChanged(this.file("planet"), world.bytes, PUBLIC_MODE);
  }

  /** Every moon in moons.d, by id. Files with other names are ignored. Throws ConfigError if one is damaged. */
  loadMoons(): World[] {
    const directory = this.file("moons.d");
    let names: string[];
    try {
      names = readdirSync(directory).sort();
    } catch (error) {
      if (fsCode(error) === "ENOENT") return [];
      throw fileError("read the directory", directory, error);
    }
    const moons: World[] = [];
    for (const name of names) {
      const id = MOON_FILE.exec(name)?.[1];
      if (id === undefined) continue;
      const path = join(directory, name);
      const moon = loadWorld(path, WorldType.MOON, "move it away and orbit again");
      if (moon === null) continue;
      if (formatWorldId(moon.id) !== id) {
        const advice = `rename it to ${formatWorldId(moon.id)}.moon`;
        throw new ConfigError(`holds moon ${formatWorldId(moon.id)}, which is not its name`, { file: path, advice });
      }
      moons.push(moon);
    }
    return moons;
  }

  saveMoon(world: World): void {
    makeDirectory(this.file("moons.d"), DIRECTORY_MODE);
    writeIfChanged(this.#moonFile(world.id), world.bytes, PUBLIC_MODE);
  }

  removeMoon(id: bigint): void {
    removeIfPresent(this.#moonFile(id));
  }

  #moonFile(id: bigint): string {
    return this.file("moons.d", `${formatWorldId(id)}.moon`);
  }

  /**
   * The same worlds for the node, which must not be thrown at: what cannot be written (a full disk) is told to
   * `failed` and the world stays in memory.
   */
  worldStore(failed: (error: unknown) => void): WorldStore {
    const guarded = (action: () => void): void => {
      try {
        action();
      } catch (error) {
        failed(error);
      }
    };
    return {
      savePlanet: (world) => guarded(() => this.savePlanet(world)),
      saveMoon: (world) => guarded(() => this.saveMoon(world)),
      removeMoon: (id) => guarded(() => this.removeMoon(id)),
    };
  }

  /** The token of the service API; made if missing. */
  authToken(random: Random): string {
    return this.#token("authtoken.secret", random);
  }

  /** The token that opens /metrics only; made if missing. */
  metricsToken(random: Random): string {
    return this.#token("metricstoken.secret", random);
  }

  /** Key and certificate of the console; null if none were made. */
  consoleCertificate(): { readonly key: string; readonly cert: string } | null {
    const key = this.#readSecret(this.file("console-key.pem"));
    const cert = readTextIfPresent(this.file("console-cert.pem"), MAX_PEM_BYTES);
    return key === null || cert === null ? null : { key, cert };
  }

  /** A PEM file of the operator's, wherever it is. Throws ConfigError if it is not there. */
  readPem(path: string): string {
    const text = readTextIfPresent(path, MAX_PEM_BYTES);
    if (text !== null) return text;
    throw new ConfigError("is not there", { file: path, advice: "name a PEM file, or none at all" });
  }

  saveConsoleCertificate({ key, cert }: { readonly key: string; readonly cert: string }): void {
    writeIfChanged(this.file("console-key.pem"), key, SECRET_MODE);
    writeIfChanged(this.file("console-cert.pem"), cert, PUBLIC_MODE);
  }

  /** 24 characters a-z0-9 without newline (local-api.md §2); other text found there is used as it is. */
  #token(name: string, random: Random): string {
    const path = this.file(name);
    const present = this.#readSecret(path)?.trim();
    if (present) return present;
    let token = "";
    while (token.length < TOKEN_LENGTH)
      token += TOKEN_CHARACTERS[randomInteger(random, 0, TOKEN_CHARACTERS.length - 1)];
    writeIfChanged(path, token, SECRET_MODE);
    return token;
  }

  /** The text of local.conf, or null. Its meaning is config/local-conf.ts's business. */
  readLocalConf(): string | null {
    return readTextIfPresent(this.file("local.conf"), MAX_LOCAL_CONF_BYTES);
  }

  /** When local.conf was last changed (ms since the epoch), or 0. */
  localConfChangedAt(): number {
    return statSync(this.file("local.conf"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  writeLocalConf(text: string): void {
    writeIfChanged(this.file("local.conf"), text, PUBLIC_MODE);
  }

  /** Keeps the key that signs world `id`. Returns the file. */
  saveSigningKey(id: bigint, key: SigningKey): string {
    makeDirectory(this.file("signing"), SECRET_DIRECTORY_MODE);
    const path = this.file("signing", `${formatWorldId(id)}.secret`);
    writeIfChanged(path, formatSigningKey(key), SECRET_MODE);
    return path;
  }

  /** The key of world `id` in this home, or the key in a file elsewhere; null if there is none. Throws ConfigError. */
  loadSigningKey(from: bigint | string): SigningKey | null {
    const path = typeof from === "string" ? from : this.file("signing", `${formatWorldId(from)}.secret`);
    const text = this.#readSecret(path);
    return text === null ? null : parseSigningKey(text, path);
  }

  #readSecret(path: string): string | null {
    const text = readTextIfPresent(path, MAX_TEXT_BYTES);
    if (text !== null && tightenSecret(path)) this.warnings.push(`${path} was open to others; its mode is now 600`);
    return text;
  }
}

/** Why an identity that parses cannot be ours, or null. */
function identityProblem(identity: Identity): string | null {
  const { secretKey } = identity;
  if (secretKey === null) return "holds a public identity only, without its secret";
  if (!bytesEqual(publicFromSecret(secretKey), identity.publicKey)) {
    return "is damaged: its secret key does not belong to its public key";
  }
  return validateIdentity(identity) ? null : "is damaged: its address does not follow from its key";
}

function loadWorld(path: string, type: WorldType, otherwise: string): World | null {
  const bytes = readIfPresent(path, MAX_TEXT_BYTES);
  if (bytes === null) return null;
  const decoded = decodeWorld(bytes);
  const kind = type === WorldType.PLANET ? "planet" : "moon";
  if (decoded.ok && decoded.value.world.type === type) return decoded.value.world;
  const problem = decoded.ok
    ? `holds a world that is no ${kind}`
    : `holds no ${kind} (${decoded.code} at byte ${decoded.offset} of ${bytes.length}, at most ${MAX_WORLD_BYTES})`;
  throw new ConfigError(problem, { file: path, advice: `restore it from a backup, or ${otherwise}` });
}
