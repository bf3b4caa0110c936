/**
 * What an operator does after a home was prepared: where the world goes on clients, and what must be backed up.
 * Facts: product.md §4.5 (home directories per system), vl1-behaviour.md §6.2 (orbiting), cli.md §3.
 */
import { formatAddress } from "../protocol/address.ts";
import { formatWorldId, type World, WorldType } from "../world/world.ts";

/** Where clients keep their `planet` file and `moons.d`, and how they are made to read it. */
const CLIENT_HOMES = [
  { system: "Linux", separator: "/", home: "/var/lib/zerotier-one", restart: "systemctl restart zerotier-one" },
  {
    system: "macOS",
    separator: "/",
    home: "/Library/Application Support/ZeroTier/One",
    restart: "sudo launchctl kickstart -k system/com.zerotier.one",
  },
  {
    system: "Windows",
    separator: "\\",
    home: "C:\\ProgramData\\ZeroTier\\One",
    restart: "Restart-Service ZeroTierOneService",
  },
  { system: "FreeBSD", separator: "/", home: "/var/db/zerotier-one", restart: "service zerotier restart" },
] as const;

/** One file that must survive this machine, and what its loss costs. */
export interface BackupItem {
  readonly file: string;
  readonly why: string;
}

/** Steps for clients, one line each, in reading order. `worldFile` is the file on this machine. */
export function clientSteps(world: World, worldFile: string): string[] {
  if (world.type === WorldType.PLANET) {
    return [
      `Copy ${worldFile} to every client under the name "planet" and restart its service:`,
      ...CLIENT_HOMES.map((client) => clientLine(client, ["planet"])),
    ];
  }
  const id = formatAddress(Number(world.id));
  const root = formatAddress(world.roots[0]?.identity.address ?? 0);
  const name = `${formatWorldId(world.id)}.moon`;
  return [
    `On every client: zerotier-cli orbit ${id} ${root}`,
    `or, without asking the network, copy ${worldFile} into its moons.d and restart its service:`,
    ...CLIENT_HOMES.map((client) => clientLine(client, ["moons.d", name])),
  ];
}

function clientLine(client: (typeof CLIENT_HOMES)[number], names: readonly string[]): string {
  const file = [client.home, ...names].join(client.separator);
  return `${client.system.padEnd(8)}${file}   then: ${client.restart}`;
}

/** What to back up and why. `signingKeyFile` is null when the key is not on this machine. */
export function backupItems(identityFile: string, signingKeyFile: string | null): BackupItem[] {
  const items = [
    {
      file: identityFile,
      why: "who this root is; without it no machine can take over, and every client needs a new world",
    },
  ];
  if (signingKeyFile !== null) {
    items.push({
      file: signingKeyFile,
      why:
        "the only key that can sign the next version of the world (a new address, another root); without it every " +
        "client must be re-seeded by hand. Running needs no signing key: you may keep it offline and hand it to " +
        '"orrery world rotate --signing-key FILE"',
    });
  }
  return items;
}
