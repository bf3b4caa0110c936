/**
 * IP texts and bytes, remembered. Node's dgram speaks text on both sides; peers repeat, so each address is
 * parsed and formatted about once. Memory is bounded: two generations, of which the older is thrown away whole
 * when the younger is full, so that a flood of invented sources costs re-parsing and nothing else.
 */
import { formatIp, parseIp } from "../protocol/inet-address.ts";

const GENERATION_ENTRIES = 32_768;

/** A map that keeps the entries used lately, between one and two generations of them. */
export class RecentMap<K, V> {
  readonly #capacity: number;
  #young = new Map<K, V>();
  #old = new Map<K, V>();

  /** At most twice `capacity` entries are held. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key);
    if (value !== undefined) return value;
    const older = this.#old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}

function wordsKey(ip: Uint8Array): number | string {
  if (ip.length === 4) return ((ip[0]! << 24) | (ip[1]! << 16) | (ip[2]! << 8) | ip[3]!) >>> 0;
  let key = "";
  for (let i = 0; i < 16; i += 2) key += String.fromCharCode((ip[i]! << 8) | ip[i + 1]!);
  return key;
}

/** Both directions, bounded. */
export class IpTexts {
  readonly #bytes: RecentMap<string, Uint8Array>;
  readonly #texts: RecentMap<number | string, string>;

  constructor(capacity = GENERATION_ENTRIES) {
    this.#bytes = new RecentMap(capacity);
    this.#texts = new RecentMap(capacity);
  }

  /** Bytes of an IP text (a zone is ignored), or null. The array is shared: nobody writes to it. */
  parse(text: string): Uint8Array | null {
    const known = this.#bytes.get(text);
    if (known !== undefined) return known;
    const zone = text.indexOf("%");
    const ip = parseIp(zone < 0 ? text : text.slice(0, zone));
    if (ip !== null) this.#bytes.set(text, ip);
    return ip;
  }

  /** Text of 4 or 16 IP bytes. */
  format(ip: Uint8Array): string {
    const key = wordsKey(ip);
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const text = formatIp(ip);
    this.#texts.set(key, text);
    return text;
  }
}
