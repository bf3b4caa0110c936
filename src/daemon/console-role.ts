/** The console listener of a running daemon, and the certificate it shows. */
import { X509Certificate } from "node:crypto";
import type { Logger } from "pino";
import { generate } from "selfsigned";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/load.ts";
import { startConsole } from "../http/console-listener.ts";
import type { HttpListener } from "../http/engine.ts";
import type { TlsMaterial } from "../http/node-engine.ts";
import type { ControllerV1 } from "../http/v1/api.ts";
import type { Home } from "../store/files.ts";

const YEARS_10_MS = 10 * 365 * 86_400_000;

/** Null if the configuration has it switched off. Throws ConfigError or ListenError. */
export async function startConsoleRole(
  config: Config["console"],
  v1: ControllerV1 | null,
  home: Home,
  log: Logger,
): Promise<HttpListener | null> {
  const { listen, tls } = config;
  if (listen === null || v1 === null) return null;
  const material = tls ? await certificate(config, home) : null;
  const listener = await startConsole({ ...listen, v1, tls: material });
  const fingerprint = material === null ? null : new X509Certificate(material.cert).fingerprint256;
  log.info({ host: listen.host, port: listener.port, tls, fingerprint }, "console and /api/v1");
  return listener;
}

/** The operator's certificate, else one of our own that is made once. */
async function certificate({ certFile, keyFile }: Config["console"], home: Home): Promise<TlsMaterial> {
  if ((certFile === "") !== (keyFile === "")) {
    throw new ConfigError("names one of certificate and key", {
      file: "console",
      advice: "set both console.certFile and console.keyFile, or neither",
    });
  }
  if (certFile !== "") return { cert: home.readPem(certFile), key: home.readPem(keyFile) };
  const kept = home.consoleCertificate();
  if (kept !== null) return kept;
  const notAfterDate = new Date(Date.now() + YEARS_10_MS);
  const names = [{ name: "commonName", value: "Orrery" }];
  const made = await generate(names, { keyType: "ec", notAfterDate, algorithm: "sha256" });
  const material = { key: made.private, cert: made.cert };
  home.saveConsoleCertificate(material);
  return material;
}
