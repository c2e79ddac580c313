import type { Measured } from "./compare.ts";
import type { Subject, Way } from "./subjects.ts";

const WAYS: readonly (readonly [Way, string])[] = [
  ["tcp", "TCP"],
  ["http", "HTTP, a fresh connection each"],
  ["http-kept", "HTTP, kept connections"],
  ["https", "HTTPS, a fresh connection each"],
  ["https-kept", "HTTPS, kept connections"],
  ["udp", "UDP"],
];
const COLOURS: Readonly<Record<Subject, string>> = {
  director: "#0969da",
  keepalived: "#bc4c00",
  haproxy: "#8250df",
  limit: "#59636e",
};
const PANEL = { width: 420, height: 250, left: 48, top: 34, right: 16, bottom: 34 } as const;

/** CPU time for a check over the number of servers, a panel for each way of asking; logarithmic in the number. */
export function plot(measured: readonly Measured[], date: string): string {
  const panels = WAYS.filter(([way]) => measured.some((m) => m.way === way));
  const columns = Math.min(2, panels.length);
  const rows = Math.ceil(panels.length / 2);
  const [width, height] = [columns * PANEL.width, rows * PANEL.height + 40];
  const body = panels.map(([way, title], i) =>
    panel(measured, way, title, (i % 2) * PANEL.width, Math.floor(i / 2) * PANEL.height),
  );
  const legend = (Object.keys(COLOURS) as Subject[])
    .map(
      (subject, i) =>
        `<text x="${20 + i * 130}" y="${height - 14}" style="fill:${COLOURS[subject]}">&#9632; ${subject === "limit" ? "bare loop in C" : subject}</text>`,
    )
    .join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="CPU microseconds for a check, by number of servers">
<style>.paper { fill: #fff } text { font: 12px system-ui, sans-serif; fill: #1f2328 } .grid { stroke: #d1d9e0 } .head { font-weight: 600 } .small { fill: #59636e }</style>
<rect class="paper" width="${width}" height="${height}"/>
${body.join("\n")}
${legend}
<text x="${width - 16}" y="${height - 14}" text-anchor="end" class="small">CPU us a check; ${date.slice(0, 10)}</text>
</svg>
`;
}

function panel(measured: readonly Measured[], way: Way, title: string, dx: number, dy: number): string {
  const own = measured.filter((m) => m.way === way);
  const most = Math.max(20, ...own.map((m) => m.cpuUs));
  const [least, largest] = [Math.min(...own.map((m) => m.servers)), Math.max(...own.map((m) => m.servers))];
  const span = Math.log(largest / least) || 1;
  const x = (servers: number) =>
    PANEL.left + (Math.log(servers / least) / span) * (PANEL.width - PANEL.left - PANEL.right);
  const y = (us: number) => PANEL.height - PANEL.bottom - (us / most) * (PANEL.height - PANEL.top - PANEL.bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(most * part));
  const sizes = [...new Set(own.map((m) => m.servers))];
  const lines = (Object.keys(COLOURS) as Subject[]).map((subject) => {
    const points = own.filter((m) => m.subject === subject).sort((a, b) => a.servers - b.servers);
    const path = points
      .map((m, i) => `${i === 0 ? "M" : "L"}${x(m.servers).toFixed(1)} ${y(m.cpuUs).toFixed(1)}`)
      .join("");
    const dots = points.map(
      (m) =>
        `<circle cx="${x(m.servers).toFixed(1)}" cy="${y(m.cpuUs).toFixed(1)}" r="3" fill="${m.rate < 0.95 * m.due ? "none" : COLOURS[subject]}" stroke="${COLOURS[subject]}"><title>${subject}, ${m.servers}: ${m.cpuUs.toFixed(1)} us</title></circle>`,
    );
    return `<path d="${path}" fill="none" stroke="${COLOURS[subject]}" stroke-width="1.6"/>${dots.join("")}`;
  });
  return `<g transform="translate(${dx} ${dy})">
<text x="${PANEL.left}" y="20" class="head">${title}</text>
${ticks.map((us) => `<line class="grid" x1="${PANEL.left}" x2="${PANEL.width - PANEL.right}" y1="${y(us).toFixed(1)}" y2="${y(us).toFixed(1)}"/><text x="${PANEL.left - 6}" y="${(y(us) + 4).toFixed(1)}" text-anchor="end" class="small">${us}</text>`).join("")}
${sizes.map((n) => `<text x="${x(n).toFixed(1)}" y="${PANEL.height - 14}" text-anchor="middle" class="small">${n.toLocaleString("en")}</text>`).join("")}
${lines.join("\n")}
</g>`;
}
