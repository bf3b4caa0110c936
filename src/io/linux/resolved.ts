/**
 * Name servers of one interface, told to systemd-resolved by its own tool: names inside one domain are asked there, and
 * nothing else is ("routing-only domain"). Facts: vl2-ethernet.md §7.4; resolvectl(1). systemd-resolved forgets an
 * interface that is gone, so that nothing has to be undone after a crash.
 */
import { execFile } from "node:child_process";

const TIMEOUT_MS = 5000;
const MAX_DOMAIN_CHARACTERS = 253;
/** One or more labels. The root (".") is no such name: with it every name would be asked there. */
const DOMAIN = /^[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;

/** `none`: nothing was asked for. `failed`: why the servers are not in use. */
export type DnsState =
  | { readonly is: "none" }
  | { readonly is: "pending" | "applied"; readonly domain: string; readonly servers: readonly string[] }
  | { readonly is: "failed"; readonly reason: string };

/** Runs a program to its end. Rejects with an Error that says why it failed. */
export type RunProgram = (program: string, words: readonly string[]) => Promise<void>;

const NONE: DnsState = { is: "none" };

export class LinkDns {
  readonly #interfaceName: string;
  readonly #run: RunProgram;
  readonly #changed: (state: DnsState) => void;
  #state: DnsState = NONE;
  /** What was asked for last; changes are made one after the other. */
  #wanted = "";
  #busy: Promise<void> = Promise.resolve();

  /** `changed` hears of each new state. */
  constructor(interfaceName: string, changed: (state: DnsState) => void, run: RunProgram = runProgram) {
    this.#interfaceName = interfaceName;
    this.#changed = changed;
    this.#run = run;
  }

  get state(): DnsState {
    return this.#state;
  }

  /** From now on these servers (IP texts) for this domain; without servers or domain what was set is taken back. */
  set(domain: string, servers: readonly string[]): void {
    const none = domain === "" || servers.length === 0;
    const wanted = none ? "" : [domain, ...servers].join(" ");
    if (wanted === this.#wanted && this.#state.is !== "failed") return;
    this.#wanted = wanted;
    const isCurrent = () => this.#wanted === wanted;
    if (none) this.#enter(NONE);
    else if (this.#state.is !== "failed") this.#enter({ is: "pending", domain, servers });
    this.#busy = this.#busy.then(async () => {
      if (!isCurrent()) return;
      const state = none ? await this.#revert() : await this.#apply(domain, servers);
      if (isCurrent()) this.#enter(state);
    });
  }

  async #apply(domain: string, servers: readonly string[]): Promise<DnsState> {
    if (!isDomainName(domain)) return { is: "failed", reason: `${JSON.stringify(domain)} is not a domain name` };
    try {
      // The domain first: servers without one would be asked for everything.
      await this.#run("resolvectl", ["domain", this.#interfaceName, `~${domain}`]);
      await this.#run("resolvectl", ["dns", this.#interfaceName, ...servers]);
      return { is: "applied", domain, servers };
    } catch (error) {
      return { is: "failed", reason: (error as Error).message };
    }
  }

  async #revert(): Promise<DnsState> {
    try {
      await this.#run("resolvectl", ["revert", this.#interfaceName]);
    } catch {
      // Then it is not there, or has forgotten the interface: either way nothing is set.
    }
    return NONE;
  }

  #enter(state: DnsState): void {
    const before = this.#state;
    this.#state = state;
    if (JSON.stringify(before) !== JSON.stringify(state)) this.#changed(state);
  }
}

/** True for names that can be given to a resolver as the domain of a network. They come from its controller. */
export function isDomainName(text: string): boolean {
  return text.length <= MAX_DOMAIN_CHARACTERS && DOMAIN.test(text);
}

function runProgram(program: string, words: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, [...words], { timeout: TIMEOUT_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if (error.code === "ENOENT") reject(new Error(`there is no ${program} here (systemd-resolved)`));
      else reject(new Error(`${program} ${words[0]}: ${stderr.trim() || error.message}`));
    });
  });
}
