import { parseEndpoint } from "../../src/model/address.ts";
import type { CheckSpec } from "../../src/model/probe.ts";

/** A check with the defaults of director.conf, of type `scripted`. Its keys are made from what it says, as the configuration makes them. */
export function checkSpec(
  given: Partial<Pick<CheckSpec, "interval" | "fastInterval" | "downInterval" | "timeout" | "fall" | "rise">> & {
    readonly endpoint?: string;
    readonly path?: string;
  } = {},
): CheckSpec {
  const { endpoint = "10.0.0.1:80", path = "/", ...timings } = given;
  const spec = {
    interval: 2_000,
    fastInterval: 1_000,
    downInterval: 5_000,
    timeout: 2_000,
    fall: 3,
    rise: 2,
    ...timings,
  };
  return {
    ...spec,
    key: `${endpoint} ${path} ${JSON.stringify(spec)}`,
    probe: `${endpoint} ${path}`,
    template: path,
    label: `scripted ${path}`,
    type: "scripted",
    target: parseEndpoint(endpoint)!,
    source: undefined,
    options: { path },
  };
}
