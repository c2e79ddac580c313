/** Whether a dns check can ask for it (probe/dns-options.ts): parts of 1 to 63 printable letters, 253 in all; `.` is the root. */
export function isDomainName(text: string): boolean {
  const name = text === "." ? "root" : text.replace(/\.$/, "");
  return (
    name.length <= 253 &&
    name.split(".").every((part) => /^[\x21-\x5b\x5d-\x7e]{1,63}$/.test(part) && !part.includes('"'))
  );
}
