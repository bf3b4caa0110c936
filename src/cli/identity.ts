/**
 * `orrery identity`: what `zerotier-idtool` does with identities, with its texts and exit codes (cli.md §3), so that
 * scripts written for it need only another program name.
 */
import { randomFillSync } from "node:crypto";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { generateIdentity, validateIdentity } from "../identity/generate.ts";
import { formatIdentity, type Identity } from "../identity/identity.ts";
import { IdentityPool } from "../identity/pool.ts";
import { formatAddress } from "../protocol/address.ts";
import { fromHex, toHex } from "../protocol/bytes.ts";
import { type CliContext, CliExit, EXIT_FAILURE, fail, failWithHelp, printJson } from "./context.ts";
import { readFileOrNull, readTextOrNull, requireIdentity } from "./identity-argument.ts";
import { findVanityIdentity, vanityProblem } from "./vanity.ts";

const SECRET_FILE_MODE = 0o600;
const PUBLIC_FILE_MODE = 0o644;
const ADDRESS_DIGITS = 10;
const BITS_PER_DIGIT = 4;
const SIGNATURE_BYTES = 96;

interface JsonFlag {
  json?: true;
}

/** Adds `orrery identity generate | validate | public | sign | verify`. */
export function registerIdentity(program: Command, context: CliContext): void {
  const group = program.command("identity").description("make and check identities, sign and verify files with them");
  const secretOrPublic = "identity text, or a file that holds it";

  group
    .command("generate")
    .description("make an identity; without a file its secret form goes to stdout")
    .argument("[secret]", "file for the secret identity (0600)")
    .argument("[public]", "file for the public identity")
    .argument("[vanity]", "hex digits that the address shall begin with; each one takes 16 times longer")
    .option("--force", "overwrite an existing secret file")
    .option("--json", "print address, public and (if no file was named) secret form as JSON")
    .action((secretFile, publicFile, vanity, options: GenerateOptions) =>
      generate(context, { secretFile, publicFile, vanity }, options),
    );

  group
    .command("validate")
    .description("check that an identity's address follows from its key (the memory-hard proof of work)")
    .argument("[identity]", secretOrPublic)
    .option("--json", "print the result as JSON")
    .action((argument: string | undefined, options: JsonFlag, command: Command) =>
      validate(context, argument ?? failWithHelp(command), options),
    );

  group
    .command("public")
    .alias("getpublic")
    .description("print the public form of an identity")
    .argument("[identity]", secretOrPublic)
    .option("--json", "print address and public form as JSON")
    .action((argument: string | undefined, options: JsonFlag, command: Command) => {
      const identity = requireIdentity(argument ?? failWithHelp(command), context);
      if (options.json) printJson(context, { address: formatAddress(identity.address), public: publicText(identity) });
      else context.stdout(publicText(identity));
    });

  group
    .command("sign")
    .description("sign a file with a secret identity")
    .argument("[secret]", "secret identity, or a file that holds it")
    .argument("[file]", "file to sign")
    .option("--json", "print signer and signature as JSON")
    .action((secret: string | undefined, file: string | undefined, options: JsonFlag, command: Command) =>
      sign(context, secret ?? failWithHelp(command), file ?? failWithHelp(command), options),
    );

  group
    .command("verify")
    .description("check a file's signature")
    .argument("[identity]", secretOrPublic)
    .argument("[file]", "file that was signed")
    .argument("[signature]", "192 hex digits, or a file that holds them")
    .option("--json", "print the result as JSON")
    .action((...args: [string?, string?, string?, JsonFlag?, Command?]) => {
      const [argument, file, signature, options = {}, command = group] = args;
      if (argument === undefined || file === undefined || signature === undefined) failWithHelp(command);
      verify(context, argument, file, signature, options);
    });
}

interface GenerateOptions extends JsonFlag {
  force?: true;
}

interface GenerateFiles {
  readonly secretFile: string | undefined;
  readonly publicFile: string | undefined;
  readonly vanity: string | undefined;
}

async function generate(context: CliContext, files: GenerateFiles, options: GenerateOptions): Promise<void> {
  const { secretFile, publicFile, vanity } = files;
  if (secretFile !== undefined && existsSync(secretFile) && options.force === undefined) {
    fail(context, `${secretFile} exists: an identity cannot be made again, so it is only overwritten with --force`);
  }
  const identity =
    vanity === undefined
      ? generateIdentity((into) => randomFillSync(into))
      : await generateVanity(context, vanity, vanityProblem(vanity));
  const secretText = formatIdentity(identity, true);
  const written: string[] = [];
  if (secretFile !== undefined) written.push(writeText(context, secretFile, secretText, SECRET_FILE_MODE));
  if (publicFile !== undefined) written.push(writeText(context, publicFile, publicText(identity), PUBLIC_FILE_MODE));
  if (options.json) {
    const secret = secretFile === undefined ? { secret: secretText } : {};
    printJson(context, { address: formatAddress(identity.address), public: publicText(identity), ...secret, written });
  } else if (secretFile === undefined) context.stdout(secretText);
  else for (const file of written) context.stdout(`${file} written\n`);
}

/** All cores, one line of progress on stderr per identity that did not fit. */
async function generateVanity(context: CliContext, prefix: string, problem: string | null): Promise<Identity> {
  if (problem !== null) fail(context, `no such address: ${problem}`);
  const goal = prefix.toLowerCase().padEnd(ADDRESS_DIGITS, "0");
  const bits = BITS_PER_DIGIT * prefix.length;
  const threads = availableParallelism();
  const pool = new IdentityPool({ threads, maxQueued: 2 * threads });
  let searching = true;
  const report = (address: string) => {
    if (searching) context.stderr(`vanity address: tried ${address} looking for first ${bits} bits of ${goal}\n`);
  };
  try {
    const found = await Promise.race(
      Array.from({ length: threads }, () => findVanityIdentity(prefix, () => pool.generate(), report)),
    );
    searching = false;
    context.stderr(`vanity address: found ${formatAddress(found.address)} !\n`);
    return found;
  } finally {
    await pool.close();
  }
}

function writeText(context: CliContext, file: string, text: string, mode: number): string {
  try {
    writeFileSync(file, text, { mode });
    // The mode above is only for new files; an overwritten one keeps its own.
    chmodSync(file, mode);
  } catch {
    fail(context, `Error writing to ${file}`);
  }
  return file;
}

function validate(context: CliContext, argument: string, options: JsonFlag): void {
  const identity = requireIdentity(argument, context);
  const valid = validateIdentity(identity);
  if (options.json) printJson(context, { address: formatAddress(identity.address), valid });
  else if (valid) context.stdout(`${argument} is a valid identity\n`);
  else context.stderr(`${argument} FAILED validation.\n`);
  if (!valid) throw new CliExit(EXIT_FAILURE);
}

function sign(context: CliContext, argument: string, file: string, options: JsonFlag): void {
  const identity = requireIdentity(argument, context);
  if (!identity.hasSecret) fail(context, `${argument} does not contain a private key (must use private to sign)`);
  const message = readFileOrNull(file) ?? fail(context, `${file} is not readable`);
  const signature = toHex(identity.sign(message));
  if (options.json) printJson(context, { signer: formatAddress(identity.address), file, signature });
  else context.stdout(signature);
}

function verify(
  context: CliContext,
  argument: string,
  file: string,
  signatureArgument: string,
  options: JsonFlag,
): void {
  const identity = requireIdentity(argument, context);
  const message = readFileOrNull(file) ?? fail(context, `${file} is not readable`);
  const signature = fromHex((readTextOrNull(signatureArgument) ?? signatureArgument).trim());
  const valid = signature !== null && signature.length === SIGNATURE_BYTES && identity.verify(message, signature);
  if (options.json) printJson(context, { signer: formatAddress(identity.address), file, valid });
  else if (valid) context.stdout(`${file} signature valid\n`);
  else context.stderr(`${file} signature check FAILED\n`);
  if (!valid) throw new CliExit(EXIT_FAILURE);
}

function publicText(identity: Identity): string {
  return formatIdentity(identity, false);
}
