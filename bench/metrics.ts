// What a scrape of /metrics costs: a real daemon with 10,000 servers (200 services of 50, each with a check that passes), its table in memory.
//   node bench/metrics.ts [SERVICES SERVERS]
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseStats } from "../src/ipvs/stats.ts";

const SCRAPES = 41;
const [services = 200, each = 50] = process.argv.slice(2).map(Number);

const dir = mkdtempSync(join(tmpdir(), "director-bench-"));
const target = createServer((socket) => socket.on("error", () => {}).end());
await new Promise<void>((resolve) => target.listen(0, "0.0.0.0", resolve));
const { port } = target.address() as AddressInfo;
const free = createServer();
await new Promise<void>((resolve) => free.listen(0, "127.0.0.1", resolve));
const door = (free.address() as AddressInfo).port;
await new Promise((resolve) => free.close(resolve));

const lines = [
  "ipvs: { backend: memory }",
  `state: { directory: ${dir}/state }`,
  `control: { socket: ${dir}/control.sock }`,
  `http: { listen: ["127.0.0.1:${door}"] }`,
  "defaults: { check: { type: tcp, interval: 30m } }",
  "services:",
];
for (let s = 0; s < services; s++) {
  lines.push(`  - name: service-${s}`, `    vip: 10.${s >> 8}.${s & 255}.1:80`, "    servers:");
  for (let i = 0; i < each; i++) {
    const n = s * each + i;
    lines.push(`      - { name: server-${i}, address: "127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}:${port}" }`);
  }
}
writeFileSync(join(dir, "director.conf"), lines.join("\n"));

const main = join(import.meta.dirname, "../src/main.ts");
const daemon = spawn(process.execPath, [main, "run", "-c", join(dir, "director.conf")], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  await new Promise<void>((resolve, reject) => {
    let seen = "";
    daemon.stdout.on("data", (text) => {
      seen = (seen + text).slice(-1000);
      if (seen.includes('"ready":true')) resolve();
    });
    daemon.on("exit", (code) => reject(new Error(`ended: ${code}`)));
  });
  const scrape = async () => (await fetch(`http://127.0.0.1:${door}/metrics`)).text();
  const cpu = (text: string) => Number(/^process_cpu_seconds_total (.*)$/m.exec(text)![1]) * 1000;
  const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  for (let i = 0; i < 10; i++) await scrape();
  await rest(2_000);

  // Its own processor time, from one scrape to the next. The median: others run on this machine as well.
  const costs: number[] = [];
  let text = await scrape();
  const began = performance.now();
  for (let i = 0; i < SCRAPES; i++) {
    const from = cpu(text);
    text = await scrape();
    costs.push(cpu(text) - from);
  }
  const took = performance.now() - began;
  const used = costs.sort((a, b) => a - b)[SCRAPES >> 1]!;
  const size = `${text.split("\n").length.toLocaleString("en")} lines, ${(text.length / 1e6).toFixed(1)} MB`;
  console.log(
    `a scrape of ${(services * each).toLocaleString("en")} servers: ${used.toFixed(1)} ms of CPU, ${(took / SCRAPES).toFixed(0)} ms until it is there; ${size}`,
  );
} finally {
  daemon.kill();
  await new Promise((resolve) => daemon.once("exit", resolve));
  target.close();
  rmSync(dir, { recursive: true });
}

// At most every 5 seconds, for connections_total: besides a process.
const listing = ["IP Virtual Server version 1.2.1 (size=4096)"];
for (let s = 0; s < services; s++) {
  listing.push(`TCP  10.0.${s >> 8}.${s & 255}:80  10 20 30 40 50`);
  for (let i = 0; i < each; i++)
    listing.push(`  -> 10.1.${s & 255}.${i}:8080  1234567 12345678 12345678 1234567890 1234567890`);
}
const text = listing.join("\n");
for (let i = 0; i < 5; i++) parseStats(text);
const before = process.cpuUsage();
for (let i = 0; i < 20; i++) parseStats(text);
const { user, system } = process.cpuUsage(before);
console.log(`reading what ipvsadm --stats says of them: ${((user + system) / 20_000).toFixed(1)} ms of CPU`);
