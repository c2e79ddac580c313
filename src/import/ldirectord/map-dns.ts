import { err, ok } from "../../model/result.ts";
import { isDomainName } from "../domain.ts";
import { flow, map } from "../written.ts";
import type { Aim, Asked, Where } from "./aim.ts";
import { readHost } from "./values.ts";

/** Any of the answer's addresses, or names, must be the one that is to be received. ldirectord asks port 53 whatever the real server's is. */
export function dns({ virtual, real }: Aim, where: Where): Asked {
  const { notes, protocol } = virtual;
  const place = real.request === undefined ? virtual.place : real.place;
  const name = (real.request ?? virtual.request).slice(1);
  const receive = real.receive ?? virtual.receive;
  if (name === "") return err("request is not said: which name is to be asked for?");
  const asked = readHost(name);
  const wanted = readHost(receive);
  const reverse =
    asked.ok && asked.value.family === 4
      ? `${asked.value.text.split(".").reverse().join(".")}.in-addr.arpa`
      : undefined;
  if (!isDomainName(name) && !asked.ok) return err(`${name} is no domain name`);
  if (asked.ok && reverse === undefined) return err(`${name} is asked for by its name below ip6.arpa`);
  const answer =
    reverse !== undefined && receive !== ""
      ? flow({ contains: receive })
      : wanted.ok && wanted.value.family === 4
        ? flow({ address: wanted.value.text })
        : "any";
  if (answer === "any")
    notes.add(
      "changed",
      place,
      "receive",
      receive === ""
        ? "is not said, so ldirectord never finds a server good; any answer is good here"
        : `${receive} is no IPv4 address, so ldirectord never finds it; any answer is good here`,
    );
  return ok(
    where(
      {
        type: "dns",
        name: reverse ?? name,
        record: reverse === undefined ? "A" : "PTR",
        expect: map({ answer }),
        transport: protocol === "tcp" ? "tcp" : undefined,
      },
      53,
    ),
  );
}
