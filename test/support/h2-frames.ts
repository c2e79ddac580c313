import type { Socket } from "node:net";
import type { Behaviour } from "./nasty-server.ts";

/*
 * HTTP/2 by hand (RFC 9113, RFC 7541), for servers that misbehave in ways no library lets them.
 */

const TYPES = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

/** END_STREAM, of DATA and HEADERS. */
const LAST = 1;
/** END_HEADERS. */
const WHOLE = 4;

export function frame(type: keyof typeof TYPES, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = TYPES[type];
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const settings = frame("settings", 0, 0, Buffer.alloc(0));

/** A status as a literal field that is not indexed; name 8 of the static table. */
export function headers(stream: number, status: number, last = false): Buffer {
  const field = Buffer.concat([Buffer.of(0x08, 3), Buffer.from(String(status))]);
  return frame("headers", WHOLE | (last ? LAST : 0), stream, field);
}

export function data(stream: number, text: string | Buffer, last = false): Buffer {
  return frame("data", last ? LAST : 0, stream, Buffer.from(text));
}

export function reset(stream: number, code: number): Buffer {
  return frame("reset", 0, stream, word(code));
}

export function goaway(lastStream: number, code: number): Buffer {
  return frame("goaway", 0, 0, Buffer.concat([word(lastStream), word(code)]));
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Sends its settings, and does something for each request: the frames that it has to answer stream 1, 3, 5 ... with. */
export function h2(onRequest: (socket: Socket, stream: number) => void): Behaviour {
  return (socket) => {
    let buffer = Buffer.alloc(0);
    let preface = false;
    socket.write(settings);
    socket.on("data", (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (!preface && buffer.length >= 24) {
        preface = true;
        buffer = buffer.subarray(24);
      }
      while (preface && buffer.length >= 9) {
        const length = buffer.readUIntBE(0, 3);
        if (buffer.length < 9 + length) break;
        const type = buffer[3];
        const stream = buffer.readUInt32BE(5);
        buffer = buffer.subarray(9 + length);
        if (type === TYPES.headers) onRequest(socket, stream);
      }
    });
  };
}
