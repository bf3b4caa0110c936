/** Which of our sockets takes the place of another: after a restart, or when an address or a port has changed. */
import { type Endpoint, endpointKey, endpointsEqual, ipsEqual } from "../protocol/inet-address.ts";
import type { LocalSocket } from "./ports.ts";

/** A socket for a path, null if there is none; `isSame` if it is the one that the path used before. */
export interface Choice {
  readonly socket: number | null;
  readonly isSame: boolean;
}

export class SocketChoice {
  readonly #sockets: readonly LocalSocket[];
  /** By local address and family of the other side. */
  readonly #chosen = new Map<string, Choice>();

  constructor(sockets: readonly LocalSocket[]) {
    this.#sockets = sockets;
  }

  /** The one that was used; else, as ports and addresses change, one of the same address, or of the same family. */
  choose(local: Endpoint | null, remote: Endpoint): Choice {
    const key = `${remote.family}${local === null ? "" : endpointKey(local)}`;
    let chosen = this.#chosen.get(key);
    if (chosen === undefined) {
      chosen = this.#find(local, remote);
      this.#chosen.set(key, chosen);
    }
    return chosen;
  }

  #find(local: Endpoint | null, remote: Endpoint): Choice {
    const candidates = this.#sockets.filter((socket) => socket.local.family === remote.family);
    const same = candidates.find((socket) => local !== null && endpointsEqual(socket.local, local));
    if (same !== undefined) return { socket: same.id, isSame: true };
    const primary = candidates.filter((socket) => socket.primary);
    const here = primary.find((socket) => local !== null && ipsEqual(socket.local, local));
    return { socket: (here ?? primary[0] ?? candidates[0])?.id ?? null, isSame: false };
  }
}
