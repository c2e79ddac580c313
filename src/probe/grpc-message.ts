import { err, ok, type Result } from "../model/result.ts";

/*
 * The two messages of grpc.health.v1 (grpc/health/v1/health.proto), by hand: each has one field, and all of protobuf for that would be a
 * parser and generator of code (protobuf.dev/programming-guides/encoding).
 */

/** A message may be compressed (1 byte) and has a length (4 bytes). */
const PREFIX = 5;

/** HealthCheckRequest { string service = 1 }, as it stands in a body. */
export function healthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a), varint(name.length), name]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The `status` of the one HealthCheckResponse in a body: HealthCheckResponse { ServingStatus status = 1 }; 0 where it is left out. Never throws.
 *  The error follows `the reply`. */
export function healthStatus(body: Buffer): Result<number, string> {
  if (body.length === 0) return err("has no message");
  if (body.length < PREFIX) return err("ends within its message");
  if (body[0] !== 0) return err("is compressed, which was not asked for");
  const end = PREFIX + body.readUInt32BE(1);
  if (body.length < end) return err("ends within its message");
  if (body.length > end) return err("has more than one message");
  const status = lastStatus(body.subarray(PREFIX));
  return status === undefined ? err("is no HealthCheckResponse") : ok(status);
}

/** undefined: malformed. Of a field that comes twice the last counts, and unknown ones are passed over, as protobuf has it. */
function lastStatus(message: Buffer): number | undefined {
  let status = 0;
  for (let at = 0; at < message.length; ) {
    const tag = readVarint(message, at);
    if (tag === undefined) return undefined;
    const field = Math.floor(tag.value / 8);
    const type = tag.value % 8;
    if (field === 0 || (field === 1 && type !== 0)) return undefined;
    const value = type === 0 || type === 2 ? readVarint(message, tag.end) : undefined;
    if (field === 1) status = value?.value ?? Number.NaN;
    const end = fieldEnd(type, tag.end, value);
    if (end === undefined || end > message.length) return undefined;
    at = end;
  }
  return status;
}

interface Varint {
  readonly value: number;
  readonly end: number;
}

function fieldEnd(type: number, start: number, value: Varint | undefined): number | undefined {
  switch (type) {
    case 0:
      return value?.end;
    case 1:
      return start + 8;
    case 2:
      return value && value.end + value.value;
    case 5:
      return start + 4;
    default:
      return undefined;
  }
}

/** Seven bits a byte, the lowest first, ten bytes at most. What is beyond 53 bits is inexact, and no status. */
function readVarint(message: Buffer, start: number): Varint | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = message[start + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: start + i + 1 };
  }
  return undefined;
}

function varint(value: number): Buffer {
  const bytes = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.of(...bytes, rest);
}
