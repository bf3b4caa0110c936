/**
 * The UDP load generator: synthetic peers that greet a root, let it confirm their paths, and then load it with
 * relayed probes, HELLOs or ECHOs. Bounded in peers, rate and time. k6 has no UDP, hence this program.
 */
import { createSocket, type Socket } from "node:dgram";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type Identity, parseIdentity } from "../../src/identity/identity.ts";
import { randomFill } from "../../src/io/random.ts";
import { formatEndpoint, formatIp } from "../../src/protocol/inet-address.ts";
import { obtainIdentities } from "./identities.ts";
import { type GeneratorOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { Pacer } from "./pacer.ts";
import {
  brokenThresholds,
  type ExchangeReport,
  exchangeReport,
  formatReport,
  type RelayReport,
  type Report,
  relayReport,
  SequenceLedger,
} from "./report.ts";
import { SyntheticPeer, Tally } from "./synthetic-peer.ts";

/** A client that got no answer repeats its HELLO after this time. */
const HELLO_RETRY_MS = 5000;
/**
 * How long the root may take to ask every peer in turn. At once, usually; but a root that heard the same peer on
 * another port of this address lately (the run before) first waits for that port to be silent, 19 s at most.
 */
const CONFIRM_WAIT_MS = 25_000;
/** A root asks when it hears something, so peers that wait to be asked say something this often. */
const CONFIRM_NUDGE_MS = 2000;
/** Answers and probes that are still on their way when the load ends. */
const DRAIN_MS = 1000;
/** Under relay load each peer also sends an ECHO this often: it keeps the path and measures the control answers. */
const ECHO_INTERVAL_MS = 5000;
/** A root answers one ECHO per path in 166 ms; the rest is for jitter. Faster ones would only count as unanswered. */
const ECHO_GATE_MS = 200;
const RECEIVE_BUFFER_BYTES = 1 << 20;
const EXIT_USAGE = 2;

/** Milliseconds since the epoch with fractions, monotonic. */
function clock(): number {
  return performance.timeOrigin + performance.now();
}

/** One line on stderr that overwrites itself on a terminal, and is a line of its own elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
}

interface Sockets {
  readonly peers: SyntheticPeer[];
  readonly errors: () => number;
  readonly close: () => void;
}

/** Opens one socket per identity, connected to the target, so that only the root's datagrams come in. */
async function openPeers(
  identities: readonly Identity[],
  root: Identity,
  options: GeneratorOptions,
  tally: Tally,
): Promise<Sockets> {
  const run = new DataView(new ArrayBuffer(4));
  randomFill(new Uint8Array(run.buffer));
  const open: Socket[] = [];
  const peers: SyntheticPeer[] = [];
  let errors = 0;
  const countError = () => {
    errors++;
  };
  for (const identity of identities) {
    const socket = createSocket({
      type: options.target.family === 4 ? "udp4" : "udp6",
      recvBufferSize: RECEIVE_BUFFER_BYTES,
    });
    open.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, options.local ?? undefined, () => {
        socket.connect(options.target.port, formatIp(options.target.ip), () => {
          socket.off("error", reject);
          resolve();
        });
      });
    });
    const peer = new SyntheticPeer({
      identity,
      root,
      target: options.target,
      run: run.getUint32(0),
      armored: options.armored,
      random: randomFill,
      send: (bytes) => socket.send(bytes),
      tally,
    });
    socket.on("error", countError);
    socket.on("message", (bytes) => peer.receive(bytes, clock()));
    peers.push(peer);
  }
  return {
    peers,
    errors: () => errors,
    close: () => {
      for (const socket of open) socket.close();
    },
  };
}

/** Calls `act(i)` for i = 0, 1, … at `rate` per second for `milliseconds`, or until it returns false. */
async function paced(
  rate: number,
  milliseconds: number,
  act: (index: number, now: number) => boolean,
): Promise<number> {
  const start = clock();
  const pacer = new Pacer(rate, start);
  let index = 0;
  for (let now = start; now - start < milliseconds; now = clock()) {
    const due = pacer.due(now);
    for (let i = 0; i < due; i++) if (!act(index++, clock())) return (clock() - start) / 1000;
    if (due === 0) await sleep(1);
    else await nextTurn();
  }
  return (clock() - start) / 1000;
}

/** Every peer says HELLO, again every 5 s until it is answered. Returns the seconds until the last answer. */
async function greet(peers: readonly SyntheticPeer[], options: GeneratorOptions): Promise<number> {
  const start = clock();
  const deadline = start + options.greetSeconds * 1000;
  for (let pending = [...peers]; pending.length > 0 && clock() < deadline; ) {
    const roundEnds = Math.min(deadline, clock() + HELLO_RETRY_MS);
    const waiting = pending;
    await paced(options.helloRate, deadline - clock(), (index, now) => {
      if (index < waiting.length) waiting[index]!.sayHello(now);
      return index + 1 < waiting.length;
    });
    while (clock() < roundEnds && waiting.some((peer) => !peer.greeted)) await sleep(2);
    pending = waiting.filter((peer) => !peer.greeted);
    progress(`greeted ${peers.length - pending.length} of ${peers.length}`);
  }
  return (clock() - start) / 1000;
}

/** Waits until the root has asked every peer in turn, or for `CONFIRM_WAIT_MS`. */
async function awaitConfirmations(peers: readonly SyntheticPeer[]): Promise<void> {
  const start = clock();
  let nudged = start;
  for (let now = start; now - start < CONFIRM_WAIT_MS; now = clock()) {
    const waiting = peers.filter((peer) => !peer.confirmed);
    if (waiting.length === 0) break;
    if (now - nudged >= CONFIRM_NUDGE_MS) {
      nudged = now;
      progress(`paths confirmed: ${peers.length - waiting.length} of ${peers.length}`);
      for (const peer of waiting) peer.sayHello(now);
    }
    await sleep(10);
  }
  // The root learns the path from the answer that has just been sent.
  await sleep(50);
}

/** Probes between neighbours, both ways in turn, with ECHOs beside them. */
async function loadRelay(
  peers: readonly SyntheticPeer[],
  options: GeneratorOptions,
  tally: Tally,
): Promise<{ relay: RelayReport; echo: ExchangeReport }> {
  const paired = peers.slice(0, peers.length - (peers.length % 2));
  for (let i = 0; i < paired.length; i += 2) {
    paired[i]!.pairWith(paired[i + 1]!.identity);
    paired[i + 1]!.pairWith(paired[i]!.identity);
  }
  // The pacer hands out one action at time 0, hence the 1; nothing beyond the rate can be sent.
  const ledger = new SequenceLedger(options.rate * options.seconds + 1);
  tally.ledger = ledger;
  let sent = 0;
  const echoes = new Pacer((paired.length * 1000) / ECHO_INTERVAL_MS, clock());
  let echoer = 0;
  const seconds =
    paired.length === 0
      ? 0
      : await paced(options.rate, options.seconds * 1000, (index, now) => {
          paired[index % paired.length]!.sendProbe(sent++, options.packetBytes, now);
          for (let due = echoes.due(now); due > 0; due--) paired[echoer++ % paired.length]!.sayEcho(now);
          return true;
        });
  await sleep(DRAIN_MS);
  return {
    relay: relayReport(paired.length / 2, options.packetBytes, sent, ledger, seconds, tally.relay),
    echo: exchangeReport(tally.echoSent, tally.echo.count, seconds, tally.echo),
  };
}

/** HELLOs or ECHOs of all greeted peers in turn. */
async function loadExchange(
  peers: readonly SyntheticPeer[],
  options: GeneratorOptions,
  tally: Tally,
): Promise<ExchangeReport> {
  const hello = options.mode === "hello";
  const rate = hello ? options.rate : Math.min(options.rate, (peers.length * 1000) / ECHO_GATE_MS);
  const seconds =
    peers.length === 0
      ? 0
      : await paced(rate, options.seconds * 1000, (index, now) => {
          const peer = peers[index % peers.length]!;
          if (hello) peer.sayHello(now);
          else peer.sayEcho(now);
          return true;
        });
  await sleep(DRAIN_MS);
  return hello
    ? exchangeReport(tally.helloSent, tally.hello.count, seconds, tally.hello)
    : exchangeReport(tally.echoSent, tally.echo.count, seconds, tally.echo);
}

/** Runs a whole load test. Throws UsageError for a root identity that cannot be read. */
export async function generate(options: GeneratorOptions): Promise<Report> {
  const root = parseIdentity(options.root);
  if (root === null) throw new UsageError("--root is not an identity: name the root's identity.public");
  const identities = await obtainIdentities(options.peers, options.identities, (made, wanted) =>
    progress(`identities: ${made} of ${wanted}`),
  );
  const tally = new Tally();
  const sockets = await openPeers(identities, root, options, tally);
  try {
    const { peers } = sockets;
    const greetSeconds = await greet(peers, options);
    const greeted = peers.filter((peer) => peer.greeted);
    // Taken now: later HELLOs of peers that were never answered would still count as greetings.
    const greeting = exchangeReport(tally.greetingSent, tally.greeting.count, greetSeconds, tally.greeting);
    if (options.mode === "relay") await awaitConfirmations(greeted);
    const confirmed = greeted.filter((peer) => peer.confirmed);
    const relayed = options.mode === "relay" ? await loadRelay(confirmed, options, tally) : null;
    const exchanged = relayed === null ? await loadExchange(greeted, options, tally) : null;
    return {
      target: formatEndpoint(options.target),
      mode: options.mode,
      peers: peers.length,
      greeted: greeted.length,
      confirmed: peers.filter((peer) => peer.confirmed).length,
      greeting,
      hello: options.mode === "hello" ? exchanged : null,
      echo: options.mode === "echo" ? exchanged : (relayed?.echo ?? null),
      relay: relayed?.relay ?? null,
      introductions: tally.introductions,
      unreadable: tally.unreadable,
      socketErrors: sockets.errors(),
    };
  } finally {
    sockets.close();
  }
}

/** The program: exit 0 when the thresholds hold, 1 when one is broken, 2 for a wrong command line. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    if (argv.includes("--help")) {
      console.log(USAGE);
      return 0;
    }
    const options = parseOptions(argv);
    const report = await generate(options);
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    console.log(options.json ? JSON.stringify(report) : formatReport(report));
    const broken = brokenThresholds(report, options);
    for (const sentence of broken) console.error(`broken: ${sentence}`);
    return broken.length > 0 ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await main(process.argv.slice(2));
}
