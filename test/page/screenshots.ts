// Pictures of the page in all the states that matter, in light and dark; two of them for the README:
//   node test/page/screenshots.ts [FOLDER]     (without a folder: docs/page-light.png and docs/page-dark.png alone)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, startBrowser, type Tab } from "./browser.ts";
import { CLIENTS, shop, thousand } from "./scenes.ts";
import type { Stage } from "./stage.ts";

const docs = join(import.meta.dirname, "../../docs");
const folder = process.argv[2];
if (folder !== undefined) mkdirSync(folder, { recursive: true });

const browser = await startBrowser();
try {
  await playing(shop(), (scene) => small(scene, browser));
  if (folder !== undefined) await playing(thousand(3), (scene) => large(scene, browser));
} finally {
  await browser.close();
}

async function playing(scene: Promise<Stage>, play: (scene: Stage) => Promise<void>): Promise<void> {
  const ready = await scene;
  try {
    await play(ready);
  } finally {
    await ready.close();
  }
}

async function small(scene: Stage, { open }: Browser): Promise<void> {
  await scene.run();
  scene.clients(CLIENTS);
  const tab = await open(scene.url, { width: 1200 });
  await pause(folder === undefined ? 75_000 : 20_000);
  await pictures(tab, "all-well");

  await scene.machine("app2").off();
  await tab.until(`document.title.startsWith("1 warning")`);
  await pause(6_000);
  await pictures(tab, "one-down");

  await scene.cli(
    "drain",
    "web",
    "--from",
    "app1",
    "--to",
    "app4",
    "--steps",
    "5,10,25,50,75,100",
    "--every",
    "6s",
    "--detach",
    "--reason",
    "kernel update",
  );
  await tab.until(`document.querySelector(".drain")?.innerText.includes("step 4 of 6")`);
  await pause(3_000);
  await pictures(tab, "drain");
  if (folder === undefined) {
    await forReadme(tab);
    return;
  }

  await scene.machine("app2").on();
  await scene.cli("drain", "rollback", "web", "--reason", "errors on app4");
  await tab.until(`document.querySelector('[data-state="rolled-back"]') && !document.title.includes("warning")`);
  await pause(2_000);
  await pictures(tab, "rolled-back");

  await scene.machine("api1").off();
  await scene.machine("api2").off();
  await tab.until(`document.body.innerText.includes("failing open")`);
  await pause(2_000);
  await pictures(tab, "fail-open");

  await scene.kill();
  await tab.until(`document.body.dataset.link === "lost"`);
  await pause(500);
  await pictures(tab, "lost");
}

async function forReadme(tab: Tab): Promise<void> {
  for (const scheme of ["light", "dark"] as const) {
    await tab.look({ scheme, height: 1_000 });
    await pause(300);
    // What is only this machine's is not shown.
    await tab.value(`document.querySelector("#host").textContent = "lb1"`);
    await tab.value(`document.querySelector("#facts code").textContent = "/etc/director/director.conf"`);
    writeFileSync(join(docs, `page-${scheme}.png`), await tab.picture());
  }
}

async function large(scene: Stage, { open }: Browser): Promise<void> {
  await scene.run();
  const tab = await open(scene.url, { width: 1200 });
  await tab.until(`document.title.startsWith("3 warnings")`);
  await pictures(tab, "thousand", false);
}

async function pictures(tab: Tab, name: string, whole = true): Promise<void> {
  if (folder === undefined) {
    await forReadme(tab);
    return;
  }
  for (const scheme of ["light", "dark"] as const) {
    await tab.look({ width: 1_200, height: 900, scheme, phone: false });
    writeFileSync(join(folder, `${name}-${scheme}.png`), await tab.picture(whole));
    await tab.look({ width: 390, height: 844, scheme, phone: true });
    writeFileSync(join(folder, `${name}-${scheme}-phone.png`), await tab.picture(whole));
  }
  await tab.look({ width: 1_200, height: 900, scheme: "light", phone: false });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
