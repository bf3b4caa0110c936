/** The sockets of a daemon: which ports they have by the configuration and the node's part, and what they belong to. */
import type { Config } from "../config/load.ts";
import { Plane } from "../dataplane/plane.ts";
import type { PortChoice } from "../io/local-sockets.ts";
import { findUsablePort } from "../io/port-choice.ts";
import { randomFill } from "../io/random.ts";
import type { Address } from "../protocol/address.ts";
import { listenAddresses, physicalAddresses } from "./from-config.ts";
import type { LeafRole } from "./leaf-role.ts";

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

export interface SocketsOptions {
  readonly config: Config;
  readonly self: Address;
  /** Roots are found at their endpoints and have no use for further ports, unless they are told to. */
  readonly isRoot: boolean;
  readonly leaf: () => LeafRole | undefined;
  readonly warn: (text: string, error?: Error) => void;
}

/** Ports besides the primary one (vl1-behaviour.md §7): another way through NATs, and the one that routers forward. */
export function extraPorts({ listen, tcpFallback }: Config, isRoot: boolean): PortChoice[] {
  const { secondaryPort, tertiaryPort, portMapping } = listen;
  const ports: PortChoice[] = [];
  // Who is to send nothing by UDP has nothing to ask a router for.
  if (tcpFallback.force && tcpFallback.relay !== null && !isRoot) return ports;
  if (typeof secondaryPort === "number") ports.push({ port: secondaryPort, role: "secondary" });
  else if (secondaryPort === "auto" && !isRoot) ports.push({ port: 0, role: "secondary" });
  if (portMapping && !isRoot) ports.push({ port: tertiaryPort === "auto" ? 0 : tertiaryPort, role: "tertiary" });
  return ports;
}

/** The data plane, its sockets not open yet. Throws an IoError if the primary port cannot be had. */
export async function preparePlane({ config, self, isRoot, leaf, warn }: SocketsOptions): Promise<Plane> {
  const { listen, limits, dataplane, api } = config;
  const primary = await findUsablePort({
    port: listen.port,
    bind: listen.bind,
    tcp: api.enabled ? LOOPBACK : null,
    random: randomFill,
  });
  return new Plane({
    ...dataplane,
    ...limits,
    self,
    sockets: {
      ports: [{ port: primary, role: "primary" }, ...extraPorts(config, isRoot)],
      receiveBufferBytes: listen.receiveBufferBytes,
      addresses: physicalAddresses(leaf),
      ...listenAddresses(config),
    },
    warn,
  });
}
