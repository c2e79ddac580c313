import type { z } from "zod";
import { formatEndpoint } from "../model/address.ts";
import type { ProbeTarget } from "../model/probe.ts";
import { hostName } from "./host-name.ts";
import type { TlsOptions } from "./tls.ts";
import type { tlsKeys } from "./tls-options.ts";

type Given = { readonly [K in keyof typeof tlsKeys]?: z.output<(typeof tlsKeys)[K]> | undefined };

/** What the keys of TLS ask for. The certificate is for `sni`, else for `host`, else for the target's address. */
export function askedTls(target: ProbeTarget, keys: Given, host?: string): TlsOptions {
  const { verify = true, ca, sni, certificate, key, certificate_days_left: daysLeft } = keys;
  const name = hostName(sni ?? host ?? formatEndpoint(target.endpoint.address));
  return { verify, ca, certificate, key, name, daysLeft };
}
