import { readBlock, words } from "./block.ts";
import type { Reading } from "./checker-reading.ts";
import type { Checker } from "./model.ts";
import type { Draft } from "./read-common.ts";
import { urlKeyword } from "./read-url.ts";
import type { Statement } from "./tree.ts";

export function readHttp(
  statement: Statement,
  { base, read, notes, connection }: Reading,
  tls: boolean,
): Checker | undefined {
  const http: Draft<Extract<Checker, { kind: "http" }>> & {
    urls: Extract<Checker, { kind: "http" }>["urls"][number][];
  } = {
    kind: "http",
    ...base,
    tls,
    host: undefined,
    enableSni: false,
    sni: undefined,
    urls: [],
  };
  const ignored = (s: Statement) =>
    notes.add(
      "hint",
      s.place,
      [s.keyword, ...s.args].join(" "),
      "not needed: probes speak HTTP/1.1 and every one of them asks for all",
    );
  const onlyTls = (s: Statement) => tls || read.refuse(s, "of SSL_GET only; left out");
  readBlock(
    statement,
    {
      ...connection,
      virtualhost: words(1, 1, (s) => {
        http.host = s.args[0];
      }),
      http_protocol: words(1, 1, ignored),
      fast_recovery: words(0, 1, ignored),
      tls_compliant: words(0, 1, ignored),
      nb_get_retry: connection.retry!,
      enable_sni: words(0, 1, (s) => {
        if (onlyTls(s)) http.enableSni = read.flag(s) ?? false;
      }),
      sni_name: words(1, 1, (s) => {
        if (onlyTls(s)) http.sni = s.args[0];
      }),
      url: urlKeyword((url) => http.urls.push(url), read, notes),
    },
    notes,
  );
  if (http.urls.length === 0)
    read.refuse(
      { ...statement, args: [] },
      "has no url with a path: keepalived leaves the whole check out, so nothing checks the server by it",
    );
  return http.urls.length === 0 ? undefined : { ...http, ...base };
}
