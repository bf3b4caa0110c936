/** Which home directory a command works on. */

/** The default of `--home`: where the package's unit and image keep it, unless ORRERY_HOME says otherwise. */
export const DEFAULT_HOME = "/var/lib/orrery";

/** The directory that `--home`, else ORRERY_HOME, else the default names. */
export function homeDirectory(option: string | undefined, env: NodeJS.ProcessEnv): string {
  return option ?? env["ORRERY_HOME"] ?? DEFAULT_HOME;
}
