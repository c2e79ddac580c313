import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { z } from "zod";
import { scalar } from "../config/scalars.ts";
import { err, ok, type Result } from "../model/result.ts";

/*
 * Certificates and keys of checks. Each file is read while the configuration is, so that what is wrong with it is a problem of the
 * configuration, and again by the first probe after it has changed.
 */

/** A PEM file that was right when it was last looked at. */
export interface PemFile {
  /** Another one when the file has changed. */
  readonly stamp: string;
  readonly text: string;
}

interface Known extends PemFile {
  readonly trouble: string | undefined;
}

const PATH = "expected the absolute path of a PEM file";

/** By what is wanted of them and path; as many as configurations ever named. */
const known = new Map<string, Known>();

function pemFile(
  what: string,
  troubleWith: (text: string) => string | undefined,
): (path: string) => Result<PemFile, string> {
  return (path) => {
    try {
      const { mtimeMs, size, ino } = statSync(path);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      const key = `${what} ${path}`;
      let file = known.get(key);
      if (file?.stamp !== stamp) {
        const text = readFileSync(path, "latin1");
        file = { stamp, text, trouble: troubleWith(text) };
        known.set(key, file);
      }
      return file.trouble === undefined ? ok(file) : err(`${path} ${file.trouble}`);
    } catch (error) {
      return err(`cannot read ${path}: ${reasonOf(error as NodeJS.ErrnoException)}`);
    }
  };
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
      return "permission denied";
    case "EISDIR":
      return "it is a directory";
    default:
      return message;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

function certificateTrouble(text: string): string | undefined {
  const blocks = text.match(CERTIFICATE);
  if (blocks === null) return "has no certificate in PEM form";
  for (const [i, block] of blocks.entries())
    try {
      new X509Certificate(block);
    } catch {
      return `is damaged: certificate ${i + 1} of ${blocks.length} cannot be read`;
    }
  return undefined;
}

function keyTrouble(text: string): string | undefined {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return "has no private key in PEM form";
  if (text.includes("ENCRYPTED")) return "has an encrypted key: director knows no passphrase, give it unencrypted";
  try {
    createPrivateKey(text);
    return undefined;
  } catch {
    return "is damaged: the private key cannot be read";
  }
}

/** Issuers, or a certificate with those between it and its root. */
export const readCertificates = pemFile("certificates", certificateTrouble);
/** One unencrypted private key. */
export const readKey = pemFile("key", keyTrouble);

/** Why a key is not that of a certificate, which has to be the first of its file; undefined if it is. Files that cannot be read say so elsewhere. */
export function mismatch(certificatePath: string, keyPath: string): string | undefined {
  const certificate = readCertificates(certificatePath);
  const key = readKey(keyPath);
  if (!certificate.ok || !key.ok) return undefined;
  const first = new X509Certificate(certificate.value.text.match(CERTIFICATE)![0]);
  const own: KeyObject = createPrivateKey(key.value.text);
  return first.checkPrivateKey(own) ? undefined : `is not the key of the first certificate in ${certificatePath}`;
}

function pemPath(read: (path: string) => Result<PemFile, string>): z.ZodType<string, string> {
  return scalar<string>({
    expected: PATH,
    read(path) {
      if (!/^\/[^\0]*$/.test(path)) return err(`${PATH}, beginning with /`);
      const file = read(path);
      return file.ok ? ok(path) : file;
    },
    write: String,
    json: { type: "string", pattern: "^/" },
  });
}

/** The absolute path of a file with one or more certificates, which is there and right. */
export const certificatesPath = pemPath(readCertificates);
/** The absolute path of a file with an unencrypted private key, which is there and right. */
export const keyPath = pemPath(readKey);
