import { formatProblem, type ParsedConfig, parseConfig } from "../../src/config/parse.ts";
import type { Config } from "../../src/model/config.ts";
import { probeTypes } from "../../src/probe/registry.ts";

export { probeTypes };

/** Parses a main file called `d.conf`; `others` are the files that patterns of `include` find, by pattern. */
export function parse(
  text: string,
  others: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): ParsedConfig {
  return parseConfig(
    { file: "d.conf", text },
    {
      probeTypes,
      readInclude(pattern) {
        const files = others[pattern];
        if (files === undefined) return { ok: false, error: `${pattern}: no such file` };
        return { ok: true, value: Object.entries(files).map(([file, content]) => ({ file, text: content })) };
      },
    },
  );
}

/** The problems as they are printed. */
export function problemsOf(text: string, others?: Parameters<typeof parse>[1]): readonly string[] {
  return parse(text, others).problems.map(formatProblem);
}

/** The configuration of a text that has no errors. */
export function configOf(text: string, others?: Parameters<typeof parse>[1]): Config {
  const { config, problems } = parse(text, others);
  if (config === undefined) throw new Error(problems.map(formatProblem).join("\n"));
  return config;
}
