/** Which local addresses a configuration wants bound. */
import type { Config } from "../config/load.ts";

export function listenAddresses({ listen, physical }: Config) {
  return {
    bind: listen.bind,
    interfacePrefixBlacklist: listen.interfacePrefixBlacklist,
    blacklist: physical.filter(({ blacklist }) => blacklist).map(({ prefix }) => prefix),
  };
}
