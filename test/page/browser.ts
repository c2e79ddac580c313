import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

const { findBrowser } = createRequire(import.meta.url)("../../bin/setup-browser.cjs") as {
  findBrowser(): { program: string; libraries: string[]; fonts: string[] } | undefined;
};

/** Chromium as bin/setup-browser.cjs has found or brought it; undefined: there is none. */
export const chromium = findBrowser();

/** Of pictures; more is not looked at. */
const MOST_HEIGHT = 4_000;
/** On a machine that has other things to do as well. */
const PATIENCE_MS = 30_000;

export interface Browser {
  open(url: string, look?: Look): Promise<Tab>;
  close(): Promise<void>;
}

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  readonly phone?: boolean;
  readonly javascript?: boolean;
}

export interface Tab {
  /** Errors and warnings of the console, exceptions, refusals by the Content-Security-Policy. */
  readonly complaints: readonly string[];
  /** Every address that was asked for. */
  readonly requests: readonly string[];
  look(look: Look): Promise<void>;
  /** The value of an expression, as JSON has it. */
  value<T>(expression: string): Promise<T>;
  /** Resolves when the expression is true. */
  until(expression: string, what?: string): Promise<void>;
  press(key: string): Promise<void>;
  type(text: string): Promise<void>;
  /** PNG of what is seen, or of the whole page, in a window that is as high as it. */
  picture(whole?: boolean): Promise<Buffer>;
  close(): Promise<void>;
}

/** A real Chromium without a window, driven over its own protocol; it reaches nobody but 127.0.0.1. */
export async function startBrowser(): Promise<Browser> {
  if (!chromium) throw new Error("no Chromium: `npm test` brings one");
  const dir = mkdtempSync(join(tmpdir(), "director-page-"));
  const child = launch(dir);
  try {
    const link = await connect(await endpointOf(child));
    return {
      open: (url, look = {}) => openTab(link, url, look),
      async close() {
        const ended = once(child, "exit");
        link.send("Browser.close").catch(() => {});
        const kill = setTimeout(() => child.kill("SIGKILL"), 5_000);
        await ended;
        clearTimeout(kill);
        rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

function launch(dir: string): ChildProcess {
  const { program, libraries, fonts } = chromium!;
  const folders = [...fonts, "/usr/share/fonts"].map((folder) => `<dir>${folder}</dir>`).join("");
  const families = ["system-ui", "sans-serif"]
    .map(
      (name) =>
        `<alias binding="strong"><family>${name}</family><prefer><family>Inter</family><family>DejaVu Sans</family></prefer></alias>`,
    )
    .join("");
  const conf = join(dir, "fonts.conf");
  writeFileSync(
    conf,
    `<?xml version="1.0"?><fontconfig>${folders}<cachedir>${dir}/fonts</cachedir>${families}</fontconfig>`,
  );
  const args = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
    `--user-data-dir=${join(dir, "profile")}`,
    "about:blank",
  ];
  const env = {
    ...process.env,
    HOME: dir,
    TZ: "UTC",
    ...(libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(delimiter), FONTCONFIG_FILE: conf } : {}),
  };
  return spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], env });
}

/** It says on which port it listens. */
function endpointOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = [];
    const giveUp = setTimeout(() => reject(new Error(`Chromium did not start:\n${said.join("\n")}`)), PATIENCE_MS);
    const lines = createInterface({ input: child.stderr! });
    lines.on("line", (line) => {
      said.push(line);
      const [, endpoint] = /^DevTools listening on (ws:\/\/\S+)/.exec(line) ?? [];
      if (endpoint === undefined) return;
      clearTimeout(giveUp);
      resolve(endpoint);
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(giveUp);
      reject(new Error(`Chromium ended (${code}):\n${said.join("\n")}`));
    });
  });
}

type Params = Readonly<Record<string, unknown>>;

interface Link {
  send<T = unknown>(method: string, params?: Params, session?: string): Promise<T>;
  on(session: string, listener: (method: string, params: Params) => void): void;
}

async function connect(endpoint: string): Promise<Link> {
  const socket = new WebSocket(endpoint);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`${endpoint}: cannot connect`));
  });
  const waiting = new Map<number, (message: { result?: unknown; error?: { message: string } }) => void>();
  const listeners = new Map<string, (method: string, params: Params) => void>();
  let last = 0;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data));
    if (message.id === undefined) listeners.get(message.sessionId)?.(message.method, message.params);
    else waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  };
  socket.onclose = () => {
    for (const answer of waiting.values()) answer({ error: { message: "Chromium has gone" } });
  };
  return {
    send: <T>(method: string, params: Params = {}, sessionId?: string) =>
      new Promise<T>((resolve, reject) => {
        const id = ++last;
        waiting.set(id, ({ result, error }) =>
          error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result as T),
        );
        socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
      }),
    on: (session, listener) => void listeners.set(session, listener),
  };
}

async function openTab(link: Link, url: string, look: Look): Promise<Tab> {
  const { targetId } = await link.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await link.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
  const send = <T = unknown>(method: string, params: Params = {}) => link.send<T>(method, params, sessionId);
  const complaints: string[] = [];
  const requests: string[] = [];
  link.on(sessionId, (method, params) => {
    const told = complaintIn(method, params);
    if (told !== undefined) complaints.push(told);
    if (method === "Network.requestWillBeSent") requests.push((params.request as { url: string }).url);
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  if (look.javascript === false) await send("Emulation.setScriptExecutionDisabled", { value: true });

  async function value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await send<{
      result: { value: T };
      exceptionDetails?: { exception?: { description?: string }; text: string };
    }>("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails)
      throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }

  let present = look;

  async function dress({ width = 1280, height = 900, scheme = "light", phone = false }: Look): Promise<void> {
    await send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: phone ? 2 : 1,
      mobile: phone,
    });
    await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  await dress(look);
  await send("Page.navigate", { url });
  const key = (type: string, name: string, text?: string) =>
    send("Input.dispatchKeyEvent", { type, key: name, ...(text === undefined ? {} : { text }) });
  const tab: Tab = {
    complaints,
    requests,
    look: (next) => {
      present = { ...present, ...next };
      return dress(present);
    },
    value,
    async until(expression, what = expression) {
      const deadline = performance.now() + PATIENCE_MS;
      while (!(await value<boolean>(`Boolean(${expression})`))) {
        if (performance.now() > deadline)
          throw new Error(`not seen: ${what}\n${await value<string>("document.body.innerText.slice(0, 3000)")}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async press(name) {
      await key("keyDown", name, name.length === 1 ? name : undefined);
      await key("keyUp", name);
    },
    async type(text) {
      await send("Input.insertText", { text });
    },
    async picture(whole = false) {
      if (whole) {
        const height = await value<number>("document.documentElement.scrollHeight");
        await dress({ ...present, height: Math.min(height, MOST_HEIGHT) });
        await value("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
        const exact = await value<number>("document.body.getBoundingClientRect().height");
        await dress({ ...present, height: Math.min(Math.ceil(exact), MOST_HEIGHT) });
        await value("new Promise((resolve) => setTimeout(resolve, 600))");
      }
      const { data } = await send<{ data: string }>("Page.captureScreenshot", { format: "png" });
      if (whole) await dress(present);
      return Buffer.from(data, "base64");
    },
    async close() {
      await link.send("Target.closeTarget", { targetId });
    },
  };
  await tab.until(`location.href !== "about:blank" && document.readyState === "complete"`);
  return tab;
}

function complaintIn(method: string, params: Params): string | undefined {
  switch (method) {
    case "Runtime.exceptionThrown":
      return JSON.stringify(params.exceptionDetails);
    case "Runtime.consoleAPICalled":
      return params.type === "error" || params.type === "warning" ? JSON.stringify(params.args) : undefined;
    case "Log.entryAdded": {
      const { level, text, url } = params.entry as { level: string; text: string; url?: string };
      return level === "error" || level === "warning" ? `${text} ${url ?? ""}` : undefined;
    }
    default:
      return undefined;
  }
}
