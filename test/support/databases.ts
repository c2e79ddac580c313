import type { Behaviour } from "./nasty-server.ts";

/*
 * Servers that speak the first words of their protocols as the real ones do, for checks that only listen to these.
 */

export interface RedisState {
  readonly password?: string;
  readonly role?: "master" | "slave";
  readonly loading?: boolean;
}

/** Inline commands and their replies (redis.io, "Redis serialization protocol specification"). */
export function redis({ password, role = "master", loading = false }: RedisState = {}): Behaviour {
  const answer = (words: readonly string[], known: { yes: boolean }): string => {
    const [command = "", argument] = words;
    switch (command.toUpperCase()) {
      case "AUTH":
        if (password === undefined) return "-ERR Client sent AUTH, but no password is set\r\n";
        known.yes = argument === password;
        return known.yes ? "+OK\r\n" : "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
      case "PING":
        if (!known.yes) return "-NOAUTH Authentication required.\r\n";
        return loading ? "-LOADING Redis is loading the dataset in memory\r\n" : "+PONG\r\n";
      case "ROLE":
        if (!known.yes) return "-NOAUTH Authentication required.\r\n";
        return role === "master"
          ? "*3\r\n$6\r\nmaster\r\n:3129659\r\n*0\r\n"
          : "*5\r\n$5\r\nslave\r\n$9\r\n10.0.0.31\r\n:6379\r\n$9\r\nconnected\r\n:3129659\r\n";
      default:
        return `-ERR unknown command '${command}'\r\n`;
    }
  };
  return (socket) => {
    const known = { yes: password === undefined };
    let rest = "";
    socket.on("data", (chunk: Buffer) => {
      rest += chunk.toString("latin1");
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        socket.write(answer(rest.slice(0, end).split(" "), known));
        rest = rest.slice(end + 2);
      }
    });
  };
}

/** A packet with its length and number before it (MySQL Client/Server Protocol, "MySQL Packets"). */
function mysqlPacket(payload: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  return Buffer.concat([head, payload]);
}

/** Greets with protocol 10, as every server since 3.21 does, or with an error: 1040 too many connections, 1129 host blocked. */
export function mysql(error?: number): Behaviour {
  const version = Buffer.from("8.0.36\0");
  // Connection id, scramble, capabilities, character set, status, more of them, 10 bytes of nothing, scramble, plugin.
  const rest = Buffer.from(
    "0c0000004a3e6c5b2f1d7a2200ffffff0200ffdf150000000000000000000041424344454647484950515200".padEnd(100, "0"),
    "hex",
  );
  const greeting = Buffer.concat([Buffer.of(10), version, rest]);
  const code = Buffer.alloc(2);
  code.writeUInt16LE(error ?? 0);
  const refusal = Buffer.concat([Buffer.of(0xff), code, Buffer.from(`Error ${error}`)]);
  return (socket) => {
    socket.resume();
    if (error === undefined) socket.write(mysqlPacket(greeting));
    else socket.end(mysqlPacket(refusal));
  };
}

/** Answers an SSLRequest with one byte, and anything else with an error (PostgreSQL, "Frontend/Backend Protocol"); `full` refuses everybody. */
export function postgres(state: "ssl" | "plain" | "full"): Behaviour {
  const SSL_REQUEST = "0000000804d2162f";
  const refusal = (text: string): Buffer => {
    const fields = Buffer.from(`SFATAL\0C53300\0M${text}\0\0`);
    const head = Buffer.alloc(5);
    head.write("E");
    head.writeUInt32BE(fields.length + 4, 1);
    return Buffer.concat([head, fields]);
  };
  return (socket) => {
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 8) return;
      if (state === "full") socket.end(refusal("sorry, too many clients already"));
      else if (received.toString("hex") === SSL_REQUEST) socket.write(state === "ssl" ? "S" : "N");
      else socket.end(refusal("unsupported frontend protocol"));
    });
  };
}
