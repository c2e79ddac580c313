import { err, ok } from "../../model/result.ts";
import { httpHost, httpPath } from "../http.ts";
import { javascriptRegex } from "../regex.ts";
import { map, type WrittenMap } from "../written.ts";
import type { Aim, Asked, Where } from "./aim.ts";
import type { Real, Virtual } from "./model.ts";
import { readHost, readPort } from "./values.ts";

export function http({ virtual, real }: Aim, where: Where, tls: boolean): Asked {
  const { notes, place, method } = virtual;
  const own = real.request !== undefined && real.receive !== undefined;
  const request = real.request ?? virtual.request;
  const target = own ? absolute(request.slice(1)) : { path: request };
  if (target === undefined)
    return err(`the request ${request.slice(1)} goes to another machine by its name, and director resolves none`);
  const host = httpHost(virtual.host, place, notes);
  const receive = own ? (real.receive ?? "") : virtual.receive;
  const body = bodyOf(receive, virtual, own ? real : undefined);
  if (tls)
    notes.add(
      "hint",
      place,
      "https",
      "ldirectord never looks at a certificate, so verify: false stands here; without that line an expired or wrong one is a failure",
    );
  notes.add(
    "hint",
    place,
    virtual.service,
    "ldirectord follows redirects, director takes the answer to this very request: one of 300 to 399 fails",
  );
  return ok(
    where({
      type: tls ? "https" : "http",
      path: httpPath(target.path, real.place, notes),
      method: method === "GET" ? undefined : method,
      host,
      verify: tls ? "false" : undefined,
      expect: body && map({ body }),
      ...("address" in target && { address: target.address, port: target.port }),
    }),
  );
}

/** A request that names its own server. */
function absolute(
  request: string,
): { readonly path: string; readonly address?: string; readonly port?: string } | undefined {
  const match = /^https?:\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?(\/.*)?$/.exec(request);
  if (match === null) return { path: `/${request}` };
  const address = readHost(match[1] ?? "");
  const port = readPort(match[2] ?? (request.startsWith("https") ? "443" : "80"));
  return address.ok && port.ok
    ? { path: match[3] ?? "/", address: address.value.text, port: String(port.value) }
    : undefined;
}

function bodyOf(receive: string, virtual: Virtual, real: Real | undefined): WrittenMap | undefined {
  if (receive === "") return undefined;
  const { notes, method } = virtual;
  const place = real?.place ?? virtual.place;
  if (method === "HEAD")
    notes.add("refused", place, `receive ${receive}`, "a reply to HEAD has no body: ldirectord never finds it there");
  if (method === "HEAD") return undefined;
  if (/^[\w \-/,:;=<>"'!@#%&~]+$/.test(receive)) return map({ contains: receive });
  const regex = javascriptRegex(receive);
  if (regex.ok) return map({ regex: regex.value });
  notes.add("dropped", place, `receive ${receive}`, `${regex.error}; write it anew as expect: { body: { regex: … } }`);
  return undefined;
}
