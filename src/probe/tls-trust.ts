import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { type PemFile, readCertificates, readKey } from "./pem-files.ts";

/** What a handshake needs from files. */
export interface Credentials {
  /** false: any certificate will do. */
  readonly verify: boolean;
  /** PEM file of the issuers to trust; undefined: those of this machine. */
  readonly ca: string | undefined;
  /** PEM files of our own certificate and its key; undefined: we have none. */
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/** By files, which are read again when they change; the machine's own issuers are read once in the life of a process. */
const contexts = new Map<string, { readonly stamp: string; readonly context: SecureContext }>();

/** The context for a handshake now.
 *  @throws if a file cannot be read or used any more */
export function secureContext({ verify, ca, certificate, key }: Credentials): SecureContext {
  const issuers = verify && ca !== undefined ? opened(readCertificates(ca)) : undefined;
  const own = certificate === undefined ? undefined : opened(readCertificates(certificate));
  const ownKey = key === undefined ? undefined : opened(readKey(key));
  const name = [verify ? (ca ?? "machine") : "any", certificate ?? "", key ?? ""].join("\0");
  const stamp = [issuers, own, ownKey].map((file) => file?.stamp ?? "").join("\0");
  const known = contexts.get(name);
  if (known?.stamp === stamp) return known.context;
  const context = createSecureContext({
    ...(verify && { ca: issuers?.text ?? machinesIssuers() }),
    ...(own && ownKey && { cert: own.text, key: ownKey.text }),
  });
  contexts.set(name, { stamp, context });
  return context;
}

function opened(file: ReturnType<typeof readCertificates>): PemFile {
  if (!file.ok) throw new Error(file.error);
  return file.value;
}

/** What the system trusts; Node's own collection where there is none. */
function machinesIssuers(): string[] {
  const system = getCACertificates("system");
  return system.length > 0 ? system : getCACertificates("bundled");
}
