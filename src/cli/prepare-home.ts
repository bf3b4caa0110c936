/**
 * Making a home ready to be a root: identity, signing key, world, tokens. Whatever is there already is kept, nothing
 * is overwritten, nothing touches the network; running it twice is the same as once. `orrery init` prints what came
 * of it, `orrery up` calls it on an empty home. Facts: vl1-behaviour.md §6, product.md §7 (key custody).
 */
import { existsSync } from "node:fs";
import { ConfigError } from "../config/errors.ts";
import { generateIdentity } from "../identity/generate.ts";
import type { Identity } from "../identity/identity.ts";
import { type InterfaceAddress, localAddresses, systemAddresses } from "../io/interfaces.ts";
import { randomFill } from "../io/random.ts";
import { formatAddress } from "../protocol/address.ts";
import { bytesEqual } from "../protocol/bytes.ts";
import { type Endpoint, endpointsEqual, formatEndpoint, IpScope, ipScope } from "../protocol/inet-address.ts";
import type { Home } from "../store/files.ts";
import { forgeWorld, generateSigningKey, randomPlanetId, type SigningKey } from "../world/forge.ts";
import { publicPlanet } from "../world/planet.ts";
import { formatWorldId, MAX_ENDPOINTS_PER_ROOT, type World, WorldType } from "../world/world.ts";
import { type BackupItem, backupItems, clientSteps } from "./install-guide.ts";

/** Interfaces of container and machine hosts: their addresses mean nothing to anybody outside. */
const INNER_INTERFACE_PREFIXES = ["docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "podman"];

export interface PrepareOptions {
  readonly home: Home;
  /** A planet of one's own, or a moon beside the public planet. */
  readonly kind: "planet" | "moon";
  /** Where clients reach this root; empty = choose among the addresses of this machine. */
  readonly endpoints: readonly Endpoint[];
  /** Port of chosen endpoints. */
  readonly port: number;
  /** ms since the epoch; becomes the timestamp of a new world. */
  readonly now: number;
  /** The addresses to choose from; those of this machine unless given. */
  readonly addresses?: readonly InterfaceAddress[];
}

/** What is in the home now, what was made, and what the operator does next. */
export interface InitReport {
  readonly home: string;
  readonly kind: "planet" | "moon";
  readonly identity: Identity;
  readonly world: World;
  readonly worldFile: string;
  readonly endpoints: readonly Endpoint[];
  readonly endpointSource: "given" | "chosen" | "kept";
  /** Null if the key is kept elsewhere. */
  readonly signingKeyFile: string | null;
  /** Files of the home, made now or found. */
  readonly created: readonly string[];
  readonly kept: readonly string[];
  readonly clientSteps: readonly string[];
  readonly backUp: readonly BackupItem[];
  readonly warnings: readonly string[];
}

/** Notes what was made and what was found. */
class Inventory {
  readonly created: string[] = [];
  readonly kept: string[] = [];

  /** Returns `found`, or makes it; `name` is told either way. */
  keepOrMake<T>(name: string, found: T | null, make: () => T): T {
    if (found !== null) {
      this.kept.push(name);
      return found;
    }
    const made = make();
    this.created.push(name);
    return made;
  }
}

/**
 * Prepares `options.home`. Throws ConfigError where going on would overwrite something or where files contradict
 * each other, WorldError when the endpoints exceed a world's limits.
 */
export function prepareHome(options: PrepareOptions): InitReport {
  const { home, kind } = options;
  const inventory = new Inventory();
  home.prepare();
  const identity = inventory.keepOrMake("identity.secret", home.loadIdentity(), () => {
    const made = generateIdentity(randomFill);
    home.saveIdentity(made);
    return made;
  });
  if (kind === "moon") inventory.keepOrMake("planet", home.loadPlanet(), () => savedPublicPlanet(home));

  const found = findWorld(home, identity, kind);
  if (found !== null) requireSameEndpoints(found, identity, options);
  const chosen = chooseEndpoints(options);
  const name = found === null ? "" : worldFileName(found);
  const world =
    found === null ? makeWorld(options, identity, chosen, inventory) : inventory.keepOrMake(name, found, () => found);

  for (const [token, make] of [
    ["authtoken.secret", () => home.authToken(randomFill)],
    ["metricstoken.secret", () => home.metricsToken(randomFill)],
  ] as const) {
    inventory.keepOrMake(token, existsSync(home.file(token)) ? token : null, make);
  }
  return report(options, identity, world, found !== null, inventory);
}

function savedPublicPlanet(home: Home): World {
  home.savePlanet(publicPlanet());
  return publicPlanet();
}

function worldFileName(world: World): string {
  return world.type === WorldType.PLANET ? "planet" : `moons.d/${formatWorldId(world.id)}.moon`;
}

/** The world of this root that the home holds, or null. Throws ConfigError if its place is taken by another. */
function findWorld(home: Home, identity: Identity, kind: "planet" | "moon"): World | null {
  const id = BigInt(identity.address);
  const world = kind === "planet" ? home.loadPlanet() : (home.loadMoons().find((moon) => moon.id === id) ?? null);
  if (world === null || world.roots.some((root) => root.identity.equals(identity))) return world;
  const file = home.file(...worldFileName(world).split("/"));
  throw new ConfigError(
    `is ${kind} ${formatWorldId(world.id)}, of which ${formatAddress(identity.address)} is no root`,
    {
      file,
      advice:
        kind === "planet"
          ? "move it away to make a planet of your own, or keep it and run: orrery init --moon"
          : "move it away to make a moon of your own",
    },
  );
}

function ownEndpoints(world: World, identity: Identity): readonly Endpoint[] {
  return world.roots.find((root) => root.identity.equals(identity))?.stableEndpoints ?? [];
}

function requireSameEndpoints(world: World, identity: Identity, options: PrepareOptions): void {
  if (options.endpoints.length === 0) return;
  const held = ownEndpoints(world, identity);
  const same =
    held.length === options.endpoints.length &&
    held.every((endpoint) => options.endpoints.some((other) => endpointsEqual(endpoint, other)));
  if (same) return;
  const flags = options.endpoints.map((endpoint) => `--endpoint ${formatEndpoint(endpoint)}`).join(" ");
  throw new ConfigError(`says that this root is at ${held.map(formatEndpoint).join(", ") || "no address"}`, {
    file: options.home.file(...worldFileName(world).split("/")),
    advice: `init overwrites nothing; clients take over a change from: orrery world rotate ${flags}`,
  });
}

/**
 * The given endpoints, or for each address family the global addresses of this machine, its private ones where it
 * has no global one.
 */
function chooseEndpoints(options: PrepareOptions): readonly Endpoint[] {
  if (options.endpoints.length > 0) return options.endpoints;
  const filter = { interfacePrefixBlacklist: INNER_INTERFACE_PREFIXES, blacklist: [] };
  const addresses = localAddresses(filter, options.addresses ?? systemAddresses()).map(({ ip }) => ip);
  const chosen = ([4, 6] as const).flatMap((family) => {
    const ofFamily = addresses.filter((ip) => ip.length === (family === 4 ? 4 : 16));
    const global = ofFamily.filter((ip) => ipScope(ip) === IpScope.GLOBAL);
    return (global.length > 0 ? global : ofFamily).map((ip) => ({ family, ip, port: options.port }));
  });
  return chosen.slice(0, MAX_ENDPOINTS_PER_ROOT);
}

function makeWorld(
  options: PrepareOptions,
  identity: Identity,
  endpoints: readonly Endpoint[],
  inventory: Inventory,
): World {
  const { home, kind } = options;
  const moon = kind === "moon";
  const id = moon ? BigInt(identity.address) : randomPlanetId(randomFill);
  // A moon's id follows from the identity: a key that is left of it lets clients of the lost version follow.
  const keyName = `signing/${formatWorldId(id)}.secret`;
  const signingKey = inventory.keepOrMake<SigningKey>(keyName, home.loadSigningKey(id), () => {
    const key = generateSigningKey(randomFill);
    home.saveSigningKey(id, key);
    return key;
  });
  const world = forgeWorld({
    type: moon ? WorldType.MOON : WorldType.PLANET,
    id,
    timestamp: BigInt(options.now),
    updatesMustBeSignedBy: signingKey.public,
    roots: [{ identity, stableEndpoints: endpoints }],
    signingKey,
  });
  inventory.keepOrMake(worldFileName(world), null, () => (moon ? home.saveMoon(world) : home.savePlanet(world)));
  return world;
}

function report(
  options: PrepareOptions,
  identity: Identity,
  world: World,
  kept: boolean,
  inventory: Inventory,
): InitReport {
  const { home, kind } = options;
  const key = home.loadSigningKey(world.id);
  const signingKeyFile = key === null ? null : home.file("signing", `${formatWorldId(world.id)}.secret`);
  const endpoints = ownEndpoints(world, identity);
  const worldFile = home.file(...worldFileName(world).split("/"));
  const endpointSource = kept ? "kept" : options.endpoints.length > 0 ? "given" : "chosen";
  return {
    home: home.path,
    kind,
    identity,
    world,
    worldFile,
    endpoints,
    endpointSource,
    signingKeyFile,
    created: inventory.created,
    kept: inventory.kept,
    clientSteps: clientSteps(world, worldFile),
    backUp: backupItems(home.file("identity.secret"), signingKeyFile),
    warnings: [...endpointWarnings(endpoints, endpointSource), ...keyWarnings(world, key), ...home.warnings],
  };
}

function endpointWarnings(endpoints: readonly Endpoint[], source: InitReport["endpointSource"]): string[] {
  const advice = "orrery world rotate --add-endpoint IP/PORT";
  if (endpoints.length === 0) return [`no address found for this root: clients cannot find it until ${advice}`];
  // Who named a private address knows why; a chosen one may surprise.
  if (source !== "chosen" || endpoints.some((endpoint) => ipScope(endpoint.ip) === IpScope.GLOBAL)) return [];
  return [`only private addresses: clients elsewhere need the public one, ${advice}`];
}

function keyWarnings(world: World, key: SigningKey | null): string[] {
  if (key === null) return ["the signing key is not in this home: fine if you keep it offline"];
  if (bytesEqual(key.public, world.updatesMustBeSignedBy)) return [];
  return ["the signing key in this home is not the one that must sign the next version of the world"];
}
