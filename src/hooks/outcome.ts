/** How one delivery ended. Reasons are one line, and never hold a URL's path, a header or an argument: those may be secret. */
export type Delivery =
  | { readonly kind: "delivered" }
  | { readonly kind: "failed"; readonly reason: string }
  /** We ended it, because we end. */
  | { readonly kind: "interrupted" };

export function failed(reason: string): Delivery {
  return { kind: "failed", reason };
}

/** Characters of a reason. */
const LONGEST = 300;

/** The first line that says something, without what would command a terminal. */
export function firstLine(text: string): string {
  const line = text.split(/[\r\n]+/).find((each) => each.trim() !== "") ?? "";
  const clean = line.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean;
}
