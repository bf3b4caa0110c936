/**
 * `orrery controller import | export`: networks and members between `controller.d`, where the reference keeps them, and
 * the database. The daemon takes a home of the reference over by itself when it first starts there; `export` hands it back.
 */
import type { Command } from "commander";
import { now } from "../io/clock.ts";
import { type ControllerFilesReport, exportControllerFiles, importControllerFiles } from "../store/controller-d.ts";
import { SqlControllerStore } from "../store/controller-store.ts";
import { DATABASE_FILE, Database } from "../store/database.ts";
import { Home } from "../store/files.ts";
import type { CliContext } from "./context.ts";
import { homeDirectory } from "./home-option.ts";

interface FilesOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** Adds `orrery controller import` and `export`. */
export function registerController(program: Command, context: CliContext): void {
  const group = program.command("controller").description("networks between the database and controller.d");
  const verbs = [
    [
      "import",
      "read controller.d into the database; records that are there already are replaced",
      importControllerFiles,
    ],
    ["export", "write every network and member into controller.d, as the reference keeps them", exportControllerFiles],
  ] as const;
  for (const [verb, description, run] of verbs) {
    group
      .command(verb)
      .description(description)
      .option("--home <directory>", "home directory (else ORRERY_HOME, else /var/lib/orrery)")
      .option("--json", "print what was done as JSON")
      .action((options: FilesOptions) => files(context, verb, options, run));
  }
}

async function files(
  context: CliContext,
  verb: "import" | "export",
  options: FilesOptions,
  run: (home: string, store: SqlControllerStore) => Promise<ControllerFilesReport>,
): Promise<void> {
  const home = new Home(homeDirectory(options.home, context.env));
  // Refuses if a daemon runs here: what it has in memory would be wrong afterwards. Reading disturbs nobody.
  if (verb === "import") home.acquirePid();
  try {
    const database = await Database.open(home.file(DATABASE_FILE));
    try {
      const report = await run(home.path, new SqlControllerStore(database));
      if (verb === "import") await database.setMarker("controller.d taken over", String(now()));
      if (options.json) context.stdout(`${JSON.stringify(report)}\n`);
      else context.stdout(textOf(verb, report));
    } finally {
      await database.close();
    }
  } finally {
    if (verb === "import") home.releasePid();
  }
}

function textOf(verb: "import" | "export", { networks, members, skipped }: ControllerFilesReport): string {
  const lines = skipped.map((reason) => `not taken over: ${reason}\n`);
  const done = verb === "import" ? "read into the database" : "written to controller.d";
  return `${lines.join("")}${networks} networks and ${members} members ${done}\n`;
}
