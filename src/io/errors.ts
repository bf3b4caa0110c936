/** What the machine refuses at start, told so that an operator can act on it. */
import { type Endpoint, formatEndpoint } from "../protocol/inet-address.ts";

/** A socket or device cannot be had. `code` is the system's (EADDRINUSE, EACCES …). */
export class IoError extends Error {
  override readonly name = "IoError";
  readonly code: string;
  /** What the operator can do about it: one sentence. */
  readonly advice: string;

  constructor(code: string, message: string, advice: string) {
    super(`${message}: ${advice}`);
    this.code = code;
    this.advice = advice;
  }
}

/** The system's code of anything thrown or emitted by Node; "UNKNOWN" if it has none. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : "UNKNOWN";
}

/** An IoError for a local address that cannot be bound; `code` is the system's, `setting` what names its port. */
export function bindError(protocol: "UDP" | "TCP", local: Endpoint, code: string, setting = "listen.port"): IoError {
  const where = formatEndpoint(local);
  const { port } = local;
  switch (code) {
    case "EADDRINUSE":
      return new IoError(
        code,
        `${protocol} port ${port} is already in use (${where})`,
        `stop the other program (ss -lnp "sport = :${port}" names it) or set another ${setting}`,
      );
    case "EACCES":
    case "EPERM":
      return new IoError(
        code,
        `no permission to bind ${protocol} port ${port} (${where})`,
        `choose a ${setting} of 1024 or more, or give the process CAP_NET_BIND_SERVICE`,
      );
    case "EADDRNOTAVAIL":
      return new IoError(
        code,
        `${protocol} cannot bind ${where}: this machine has no such address`,
        `correct ${setting === "listen.port" ? "listen.bind" : setting} or configure the address first`,
      );
    default:
      return new IoError(code, `${protocol} cannot bind ${where} (${code})`, "see the system's log for the cause");
  }
}
