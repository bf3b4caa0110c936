/**
 * `networks.d`: which networks are joined, the last configuration of each, and what the host allows it.
 * Facts: local-api.md §7, vl2-networks.md §6, §6.1.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../config/errors.ts";
import {
  DEFAULT_LOCAL_SETTINGS,
  decodeLocalSettings,
  encodeLocalSettings,
  type LocalSettings,
} from "../leaf/local-settings.ts";
import { formatNetworkId, type NetworkId, parseNetworkId } from "../network/network-id.ts";
import { CONFIG_CAPACITY_BYTES } from "../protocol/messages/network-config.ts";
import { fsCode, makeDirectory, readIfPresent, removeIfPresent, SECRET_MODE, writeIfChanged } from "./atomic-file.ts";

const CONFIG_SUFFIX = ".conf";
const SETTINGS_SUFFIX = ".local.conf";
const JOINED_WITHOUT_CONFIG = new Uint8Array([0x0a]);
const MAX_SETTINGS_BYTES = 65_536;
const DIRECTORY_MODE = 0o700;

/** A network as the directory has it. */
export interface KeptNetwork {
  readonly id: NetworkId;
  /** The last configuration's dictionary; null if there was none yet. */
  readonly dictionary: Uint8Array | null;
  readonly settings: LocalSettings;
}

export class NetworksDirectory {
  readonly #path: string;

  constructor(home: string) {
    this.#path = join(home, "networks.d");
  }

  /** Every joined network, by id. A file that cannot be read is told to `warn`, and left alone. */
  load(warn: (text: string) => void): KeptNetwork[] {
    const kept: KeptNetwork[] = [];
    for (const name of this.#names()) {
      const id =
        name.endsWith(SETTINGS_SUFFIX) || !name.endsWith(CONFIG_SUFFIX)
          ? null
          : parseNetworkId(name.slice(0, -CONFIG_SUFFIX.length));
      if (id === null) continue;
      const bytes = this.#read(name, CONFIG_CAPACITY_BYTES, warn) ?? JOINED_WITHOUT_CONFIG;
      const dictionary = bytes.length > JOINED_WITHOUT_CONFIG.length ? bytes : null;
      kept.push({ id, dictionary, settings: this.#settings(id, warn) });
    }
    return kept;
  }

  /** The network is joined; `dictionary` is its last configuration, if there is one. Written only if it changed. */
  save(id: NetworkId, dictionary: Uint8Array | null): void {
    this.#write(`${formatNetworkId(id)}${CONFIG_SUFFIX}`, dictionary ?? JOINED_WITHOUT_CONFIG);
  }

  saveSettings(id: NetworkId, settings: LocalSettings): void {
    this.#write(`${formatNetworkId(id)}${SETTINGS_SUFFIX}`, encodeLocalSettings(settings));
  }

  remove(id: NetworkId): void {
    for (const suffix of [CONFIG_SUFFIX, SETTINGS_SUFFIX]) {
      removeIfPresent(join(this.#path, `${formatNetworkId(id)}${suffix}`));
    }
  }

  #settings(id: NetworkId, warn: (text: string) => void): LocalSettings {
    const name = `${formatNetworkId(id)}${SETTINGS_SUFFIX}`;
    const bytes = this.#read(name, MAX_SETTINGS_BYTES, warn);
    return bytes === null ? DEFAULT_LOCAL_SETTINGS : decodeLocalSettings(bytes);
  }

  #names(): string[] {
    try {
      return readdirSync(this.#path).sort();
    } catch (error) {
      if (fsCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  #read(name: string, maxBytes: number, warn: (text: string) => void): Uint8Array | null {
    try {
      return readIfPresent(join(this.#path, name), maxBytes);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      warn(error.describe());
      return null;
    }
  }

  #write(name: string, bytes: Uint8Array): void {
    makeDirectory(this.#path, DIRECTORY_MODE);
    writeIfChanged(join(this.#path, name), bytes, SECRET_MODE);
  }
}
