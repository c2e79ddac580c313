import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/*
 * X.509 certificates made on the spot (RFC 5280, in DER), so that tests depend neither on a tool of the machine nor on files that expire.
 */

export interface CertificateOptions {
  /** Common name of the subject. */
  readonly subject: string;
  /** Subject alternative names: DNS names and IPv4 addresses. */
  readonly names?: readonly string[];
  readonly notBefore?: Date;
  /** A text is taken for a UTCTime as it is. */
  readonly notAfter?: Date | string;
  /** Who signs; left out: itself. */
  readonly issuer?: Certificate;
  /** May sign others. */
  readonly authority?: boolean;
}

export interface Certificate {
  readonly subject: string;
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export function certificate(options: CertificateOptions): Certificate {
  const { subject, issuer, names = [], authority = false } = options;
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signingKey = issuer === undefined ? pair.privateKey : createPrivateKey(issuer.key);
  const tbs = sequence(
    tagged(0, integer(2)),
    integer(++serial),
    ECDSA_SHA256,
    name(issuer?.subject ?? subject),
    sequence(time(options.notBefore ?? new Date("2000-01-01")), time(options.notAfter ?? new Date("2049-12-31"))),
    name(subject),
    pair.publicKey.export({ format: "der", type: "spki" }),
    tagged(3, sequence(...extensions(names, authority))),
  );
  const signature = sign("sha256", tbs, signingKey);
  const whole = sequence(tbs, ECDSA_SHA256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
  return { subject, cert: pem("CERTIFICATE", whole), key: pemOf(pair.privateKey) };
}

let serial = 1000;

function extensions(names: readonly string[], authority: boolean): Buffer[] {
  const list = [];
  // basicConstraints (2.5.29.19)
  if (authority) list.push(extension("551d13", sequence(der(0x01, Buffer.of(0xff)))));
  // subjectAltName (2.5.29.17): iPAddress is [7], dNSName is [2]
  const entries = names.map((text) =>
    /^[\d.]+$/.test(text) ? der(0x87, Buffer.from(text.split(".").map(Number))) : der(0x82, Buffer.from(text, "ascii")),
  );
  if (entries.length > 0) list.push(extension("551d11", sequence(...entries)));
  // An empty list is not allowed; subjectKeyIdentifier (2.5.29.14) harms nobody.
  if (list.length === 0) list.push(extension("551d0e", der(0x04, Buffer.of(1, 2, 3, 4))));
  return list;
}

function extension(oid: string, value: Buffer): Buffer {
  return sequence(der(0x06, Buffer.from(oid, "hex")), der(0x04, value));
}

/** 1.2.840.10045.4.3.2 */
const ECDSA_SHA256 = sequence(der(0x06, Buffer.from("2a8648ce3d040302", "hex")));

function name(commonName: string): Buffer {
  const attribute = sequence(der(0x06, Buffer.from("550403", "hex")), der(0x0c, Buffer.from(commonName)));
  return sequence(der(0x31, attribute));
}

/** UTCTime, which reaches to the end of 2049. */
function time(date: Date | string): Buffer {
  if (typeof date === "string") return der(0x17, Buffer.from(date, "ascii"));
  const digits = date.toISOString().replaceAll(/\D/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`, "ascii"));
}

function integer(value: number): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return der(0x02, bytes[0]! > 0x7f ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

function tagged(tag: number, content: Buffer): Buffer {
  return der(0xa0 | tag, content);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "pkcs8" }).toString();
}
