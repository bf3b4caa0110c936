/** `orrery backup` and `orrery restore`: a whole home in one file, and back. */
import type { Command } from "commander";
import { packageVersion } from "../config/package-version.ts";
import { now } from "../io/clock.ts";
import { type BackupManifest, backUp, readManifest, restore } from "../store/backup.ts";
import { type CliContext, printJson } from "./context.ts";
import { homeDirectory } from "./home-option.ts";

interface BackupOptions {
  readonly home?: string;
  readonly json?: boolean;
}

interface RestoreOptions extends BackupOptions {
  readonly force?: boolean;
  readonly check?: boolean;
}

/** Adds both commands. */
export function registerBackup(program: Command, context: CliContext): void {
  program
    .command("backup")
    .description("write everything of a home into one file, while the daemon runs or not; it holds secrets")
    .argument("<file>", "such as orrery-2026-01-31.tar.gz")
    .option("--home <directory>", "home directory (else ORRERY_HOME, else /var/lib/orrery)")
    .option("--json", "print JSON")
    .action(async (file: string, options: BackupOptions) => {
      const home = homeDirectory(options.home, context.env);
      const manifest = await backUp(home, file, packageVersion(), new Date(now()));
      tell(
        context,
        options,
        { file, manifest },
        `${summary(manifest)} of ${home} in ${file}: keep it as you keep a key\n`,
      );
    });
  program
    .command("restore")
    .description("make a home of a backup; everything is checked before anything is put in its place")
    .argument("<file>", "what orrery backup wrote")
    .option("--home <directory>", "home directory to make (else ORRERY_HOME, else /var/lib/orrery)")
    .option("--force", "move a home that is there aside")
    .option("--check", "only check the file")
    .option("--json", "print JSON")
    .action(async (file: string, options: RestoreOptions) => {
      const home = homeDirectory(options.home, context.env);
      if (options.check) {
        const manifest = await readManifest(file);
        return tell(
          context,
          options,
          { file, manifest },
          `${file} is whole: ${summary(manifest)}, of ${manifest.createdAt}\n`,
        );
      }
      const { manifest, movedTo } = await restore(file, home, options.force ?? false);
      const moved = movedTo === null ? "" : `; what was there is in ${movedTo}`;
      tell(
        context,
        options,
        { home, manifest, movedTo },
        `${summary(manifest)} of ${manifest.createdAt} are in ${home}${moved}\n`,
      );
    });
}

function summary({ files }: BackupManifest): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return `${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`;
}

function tell(context: CliContext, options: BackupOptions, value: unknown, text: string): void {
  if (options.json) printJson(context, value);
  else context.stdout(text);
}
