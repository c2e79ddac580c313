import { z } from "zod";
import { scalar, text } from "../config/scalars.ts";
import { err, ok } from "../model/result.ts";
import { compilePath } from "./json-path.ts";
import { oneOrMore } from "./shapes.ts";

/*
 * What the body of a reply may be expected to be.
 */

const regex = scalar<string>({
  expected: "expected a regular expression",
  read(source) {
    try {
      new RegExp(source);
      return ok(source);
    } catch (error) {
      return err((error as Error).message);
    }
  },
  write: String,
  json: { type: "string", format: "regex" },
});

const PATH = "expected a JSON path such as $.status";

const jsonPath = scalar<string>({
  expected: PATH,
  read(source) {
    if (!source.startsWith("$")) return err(`${PATH}, beginning with $`);
    const path = compilePath(source);
    return path.ok ? ok(source) : err(`is not a JSON path (RFC 9535): ${path.error}`);
  },
  write: String,
  json: { type: "string", pattern: "^\\$" },
});

const NUMBER = "expected a number such as 10 or -0.5";

const number = scalar<number>({
  expected: NUMBER,
  read: (source) => (/^-?\d{1,15}(\.\d{1,15})?$/.test(source) ? ok(Number(source)) : err(NUMBER)),
  write: (value) => value.toFixed(15).replace(/\.?0+$/, ""),
  json: { type: ["number", "string"], pattern: "^-?\\d{1,15}(\\.\\d{1,15})?$" },
});

const jsonDemand = z
  .strictObject({
    path: jsonPath.describe("JSON path (RFC 9535); everything it finds must fit, and it must find something"),
    equals: oneOrMore(text)
      .optional()
      .describe('One of these, compared as text: the number 1 and the text "1" are both 1'),
    min: number.optional().describe("For numbers: at least this"),
    max: number.optional().describe("For numbers: at most this"),
  })
  .superRefine(({ equals, min, max }, context) => {
    const problem = (key: string, message: string): void =>
      context.addIssue({ code: "custom", path: [key], message, input: key });
    if (equals !== undefined && (min ?? max) !== undefined) problem("equals", "goes with neither min nor max");
    if (min !== undefined && max !== undefined && min > max) problem("max", "is below min");
  });

export type JsonDemand = z.output<typeof jsonDemand>;

export const bodyExpectation = z
  .strictObject({
    contains: text.optional().describe("This text stands somewhere in it"),
    regex: regex.optional().describe("It matches this regular expression (JavaScript's)"),
    json: oneOrMore(jsonDemand).optional().describe("It is JSON, and has this at a path"),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), "expected contains, regex or json");

export type BodyExpectation = z.output<typeof bodyExpectation>;
