/** The part of the configuration that `orrery doctor` compares with the machine. */
import { DEFAULT_PORT } from "../protocol/constants.ts";
import type { Home } from "../store/files.ts";
import { readTextOrNull } from "./identity-argument.ts";

export interface DoctorSettings {
  readonly port: number;
  readonly receiveBufferBytes: number;
}

export const DEFAULT_SETTINGS: DoctorSettings = { port: DEFAULT_PORT, receiveBufferBytes: 4 * 1024 * 1024 };

export function readSettings(home: Home): DoctorSettings {
  const port = Number(readTextOrNull(home.file("zerotier-one.port")) ?? DEFAULT_PORT);
  return { ...DEFAULT_SETTINGS, port };
}
