import { readFileSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import type { Unreachable } from "../control/client.ts";

/** Why nobody answers at the socket, and what to look at. */
export function unreachableWords(error: Unreachable): readonly string[] {
  const [what, ...remedies] = reason(error);
  return [`director: cannot reach the daemon at ${error.socket}: ${what}`, ...remedies.map((line) => `  ${line}`)];
}

function reason(error: Unreachable): readonly [string, ...string[]] {
  const where = "another socket: --socket PATH, or DIRECTOR_SOCKET (control.socket in director.conf names it)";
  switch (error.code) {
    case "ENOENT":
      return ["there is no such socket", "is director running? systemctl status director", where];
    case "ECONNREFUSED":
      return [
        "nobody listens there; director is not running, the file is left from before",
        "see why: systemctl status director; journalctl -u director",
        where,
      ];
    case "EACCES":
    case "EPERM":
      return [`permission denied${owner(error.socket)}`, "use sudo, or become a member of the socket's group", where];
    case "ETIMEDOUT":
      return [error.message, "director hangs: journalctl -u director; systemd restarts it when its watchdog is set"];
    case "ENOTSOCK":
    case "ENOTDIR":
    case "EPROTOTYPE":
      return ["this is no socket", where];
    case "ECONNRESET":
    case "EPIPE":
      return ["the connection was lost; director ended, or is being restarted", "see: systemctl status director"];
    case "EINVAL":
    case "ENAMETOOLONG":
      return ["the path is too long for a socket (107 bytes at most)", where];
    default:
      return [error.message, where];
  }
}

/** ` (root:director, mode 0660; you are alice)`, as far as it can be told. */
function owner(socket: string): string {
  try {
    const { uid, gid, mode } = statSync(socket);
    const bits = (mode & 0o777).toString(8).padStart(4, "0");
    const owned = `${nameIn("/etc/passwd", uid)}:${nameIn("/etc/group", gid)}, mode ${bits}`;
    return ` (${owned}; you are ${userInfo().username})`;
  } catch {
    return "";
  }
}

/** passwd(5) and group(5) have the number in the third field both. */
function nameIn(file: string, id: number): string {
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((entry) => entry.split(":")[2] === String(id));
  return line?.split(":")[0] ?? String(id);
}
