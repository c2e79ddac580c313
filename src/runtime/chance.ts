import { randomInt } from "node:crypto";

/** A number from 0 to 65535 that nobody can foretell, for the ids of questions to which anybody might send an answer (RFC 5452). */
export function random16(): number {
  return randomInt(0x1_0000);
}
