import { encode, RECURSION_DESIRED, answer as recordCodec } from "dns-packet";
import { err, ok, type Result } from "../model/result.ts";
import { recordData } from "./dns-data.ts";
import { RCODES, type RecordType } from "./dns-options.ts";

declare module "dns-packet" {
  /** One resource record; it is there, but @types/dns-packet does not have it. */
  namespace answer {
    function decode(message: Buffer, offset: number): Answer;
    namespace decode {
      let bytes: number;
    }
  }
}

/*
 * DNS messages (RFC 1035, section 4). The package writes queries and reads the data of records. Where each part of a reply begins and ends is
 * found out here first: the package itself reads an address beyond the end of a message, takes no notice of a record's length, and
 * follows compressed names in sections nobody asked for.
 */

/** A reply to the very question. */
export interface DnsReply {
  /** `NXDOMAIN`. */
  readonly rcode: string;
  /** It did not fit into a datagram; the records are not all there, and none are read. */
  readonly truncated: boolean;
  /** The data of the answer's records that are of the type asked for, at most MAX_RECORDS. */
  readonly data: readonly string[];
}

/** Enough for any real answer, and few enough that a reply made of compressed names, each of them thousands of steps long, costs some
 *  milliseconds only. */
const MAX_RECORDS = 250;

const HEADER = 12;
/** Type and class. */
const QUESTION_TAIL = 4;
/** Type, class, time to live, length of the data. */
const RECORD_TAIL = 10;
const INTERNET = 1;

export interface Query {
  readonly name: string;
  readonly record: RecordType;
  readonly recursion: boolean;
}

/** @param id 0 to 65535 */
export function queryMessage(id: number, { name, record, recursion }: Query): Buffer {
  return encode({
    type: "query",
    id,
    flags: recursion ? RECURSION_DESIRED : 0,
    questions: [{ type: record, name, class: "IN" }],
  });
}

/** Reads what came back; the error says why it is no answer to that query. Never throws, whatever the bytes. */
export function readReply(query: Buffer, record: RecordType, reply: Buffer): Result<DnsReply, string> {
  if (reply.length < HEADER) return err(`${reply.length} bytes are no DNS message`);
  if (reply.readUInt16BE(0) !== query.readUInt16BE(0)) return err("the id is not that of the query");
  const flags = reply.readUInt16BE(2);
  if ((flags & 0x8000) === 0) return err("it is a query, not a reply");
  const code = flags & 0xf;
  const rcode = RCODES[code] ?? `RCODE ${code}`;
  const questions = reply.readUInt16BE(4);
  // Who cannot make sense of a query, or does not want to, need not repeat it.
  if (questions === 0 && code !== 0) return ok({ rcode, truncated: false, data: [] });
  if (questions !== 1 || !sameQuestion(query, reply)) return err("it answers another question");
  if ((flags & 0x0200) !== 0) return ok({ rcode, truncated: true, data: [] });
  const data = answers(reply, query.length, reply.readUInt16BE(6), record, query.readUInt16BE(query.length - 4));
  return data === undefined ? err("it is malformed") : ok({ rcode, truncated: false, data });
}

/** A query ends with its question. Letters of the name may come back in either case (RFC 4343). */
function sameQuestion(query: Buffer, reply: Buffer): boolean {
  const end = query.length;
  if (reply.length < end) return false;
  const name = (message: Buffer): string => message.toString("latin1", HEADER, end - QUESTION_TAIL).toLowerCase();
  return name(query) === name(reply) && query.compare(reply, end - QUESTION_TAIL, end, end - QUESTION_TAIL, end) === 0;
}

/** undefined: malformed. */
function answers(
  reply: Buffer,
  start: number,
  count: number,
  record: RecordType,
  type: number,
): readonly string[] | undefined {
  const data: string[] = [];
  let offset = start;
  for (let i = 0; i < count; i++) {
    const tail = afterName(reply, offset);
    if (tail === undefined || tail + RECORD_TAIL > reply.length) return undefined;
    const end = tail + RECORD_TAIL + reply.readUInt16BE(tail + 8);
    if (end > reply.length) return undefined;
    if (reply.readUInt16BE(tail) === type && reply.readUInt16BE(tail + 2) === INTERNET && data.length < MAX_RECORDS) {
      const text = oneRecord(reply.subarray(0, end), offset, record);
      if (text === undefined) return undefined;
      data.push(text);
    }
    offset = end;
  }
  return data;
}

/** Where a name's bytes end: a label's length, a pointer (which is the last of it), or zero. */
function afterName(message: Buffer, start: number): number | undefined {
  let offset = start;
  for (;;) {
    const length = message[offset];
    if (length === undefined) return undefined;
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    if (length >= 0x40) return undefined;
    offset += 1 + length;
  }
}

/** The last record of these bytes. */
function oneRecord(message: Buffer, offset: number, record: RecordType): string | undefined {
  try {
    const found = recordCodec.decode(message, offset);
    return offset + recordCodec.decode.bytes === message.length && found.type === record
      ? recordData(found)
      : undefined;
  } catch {
    return undefined;
  }
}
