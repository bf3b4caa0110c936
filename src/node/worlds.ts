/**
 * The worlds a node holds: one planet, any number of moons it orbits, and moons it was told to orbit and has not
 * got yet. Decides which offered world replaces which.
 * Facts: vl1-behaviour.md §6.2.
 */
import type { Identity } from "../identity/identity.ts";
import type { Address } from "../protocol/address.ts";
import { supersedes, type World, WorldType } from "../world/world.ts";
import type { WorldStore } from "./ports.ts";
import type { WantedMoon } from "./queries.ts";

/** A node does not orbit more moons than this: each is listed in every HELLO. */
export const MAX_MOONS = 32;

/** What came of offering a world. */
export type Offer = "adopted" | "unchanged" | "refused";

export class Worlds {
  #planet: World;
  readonly #moons = new Map<bigint, World>();
  readonly #wanted = new Map<bigint, Address>();
  readonly #store: WorldStore;

  /** `planet` and `moons` are what the home holds: taken unchecked, as files are the operator's word. */
  constructor(planet: World, moons: readonly World[], store: WorldStore) {
    this.#planet = planet;
    for (const moon of moons) this.#moons.set(moon.id, moon);
    this.#store = store;
  }

  get planet(): World {
    return this.#planet;
  }

  moons(): World[] {
    return [...this.#moons.values()];
  }

  moon(id: bigint): World | undefined {
    return this.#moons.get(id);
  }

  /** The planet and the moons. */
  all(): World[] {
    return [this.#planet, ...this.#moons.values()];
  }

  wanted(): WantedMoon[] {
    return [...this.#wanted].map(([id, seed]) => ({ id, seed }));
  }

  isSeed(address: Address): boolean {
    for (const seed of this.#wanted.values()) if (seed === address) return true;
    return false;
  }

  /** Held version of a world by id, if any. */
  held(id: bigint): World | undefined {
    return this.#planet.id === id ? this.#planet : this.#moons.get(id);
  }

  /**
   * A world that came from an upstream or from the seed of a wanted moon. An update must be newer and signed by
   * the key that the held version names; a wanted moon is trusted on first use if its seed is one of its roots.
   */
  offer(world: World): Offer {
    const held = world.type === WorldType.PLANET ? this.#planet : this.#moons.get(world.id);
    if (held !== undefined) {
      if (held.id !== world.id) return "refused";
      if (held.timestamp === world.timestamp) return "unchanged";
      if (!supersedes(held, world)) return "refused";
    } else {
      const seed = this.#wanted.get(world.id);
      if (seed === undefined || !world.roots.some((root) => root.identity.address === seed)) return "refused";
    }
    this.#take(world);
    return "adopted";
  }

  /** A world from the operator's own files: a new moon is taken as it is, an update has to be newer and signed. */
  offerOwn(world: World): Offer {
    if (world.type === WorldType.MOON && !this.#moons.has(world.id)) {
      if (this.#moons.size >= MAX_MOONS) return "refused";
      this.#take(world);
      return "adopted";
    }
    return this.offer(world);
  }

  /** Remembers a moon to orbit; false if it is held already or there are too many. */
  want(id: bigint, seed: Address): boolean {
    if (this.#moons.has(id) || this.#moons.size + this.#wanted.size >= MAX_MOONS) return false;
    this.#wanted.set(id, seed);
    return true;
  }

  /** Forgets a moon, its file and its seed; false if there was none. */
  forget(id: bigint): boolean {
    const had = this.#moons.delete(id);
    const wanted = this.#wanted.delete(id);
    if (had) this.#store.removeMoon(id);
    return had || wanted;
  }

  /** True if the identity (address and keys) is a root of a held world. */
  lists(identity: Identity): boolean {
    return this.all().some((world) => world.roots.some((root) => root.identity.equals(identity)));
  }

  #take(world: World): void {
    if (world.type === WorldType.PLANET) {
      this.#planet = world;
      this.#store.savePlanet(world);
    } else {
      this.#moons.set(world.id, world);
      this.#wanted.delete(world.id);
      this.#store.saveMoon(world);
    }
  }
}
