import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { type Browser, chromium, startBrowser, type Tab } from "./browser.ts";
import { CLIENTS, shop, thousand } from "./scenes.ts";
import type { Stage } from "./stage.ts";

const skip = chromium
  ? false
  : "there is no Chromium here (`npm test` brings one where it can): the page was not looked at";

/** Runs in the page: a row by its server's name. */
const row = (name: string) =>
  `[...document.querySelectorAll(".row.server")].find((row) => row.querySelector("strong").textContent === "${name}")`;
/** Runs in the page: its words, also where they are out of sight and so not laid out. */
const textOf = (expression: string) =>
  `((element) => {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT, (node) =>
      node.parentElement.closest("[hidden], svg") ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT);
    const words = [];
    while (texts.nextNode()) words.push(texts.currentNode.data.trim());
    return words.filter((word) => word !== "").join(" ").replace(/\\s+/g, " ");
  })(${expression})`;

describe("the status page in a browser", { skip }, () => {
  let browser: Browser;
  let scene: Stage;
  let tab: Tab;
  before(async () => {
    [browser, scene] = await Promise.all([startBrowser(), shop()]);
    await scene.run();
    scene.clients(CLIENTS);
    tab = await browser.open(scene.url);
    await tab.until(`document.body.dataset.link === "live"`);
  });
  after(async () => {
    await browser?.close();
    await scene?.close();
  });

  test("all well: says so in words, and shows each service with its servers, weights and clients", async () => {
    assert.equal(await tab.value(textOf(`document.querySelector(".overall")`)), "All well");
    assert.match(await tab.value("document.title"), / – director$/);
    assert.equal(await tab.value(`document.querySelector("#problems").hidden`), true);
    assert.deepEqual(await tab.value(`[...document.querySelectorAll(".service h2")].map((each) => each.textContent)`), [
      "web",
      "api",
      "mail",
    ]);
    await tab.until(`Number(${row("app1")}.querySelector(".active").textContent) > 0`, "clients of app1");
    assert.match(await tab.value(textOf(row("app1"))), /^app1 127\.0\.1\.1:\d+ up \d+s 100 \d+ pass \d+s ago$/);
    assert.match(await tab.value(textOf(row("app4"))), /^app4 127\.0\.1\.4:\d+ up \d+s 0 0 pass /);
    assert.equal(await tab.value(`${row("app3")}.querySelector(".fill").style.width`), "50%");
  });

  test("asks nobody but the daemon it came from, over one stream, and the console stays silent", async () => {
    const { origin } = new URL(scene.url);
    assert.deepEqual([...new Set(tab.requests.map((url) => new URL(url).origin))], [origin]);
    assert.equal(tab.requests.filter((url) => url === `${origin}/events`).length, 1);
    assert.deepEqual(tab.complaints, []);
  });

  test("the rate of new connections is plotted for each service", async () => {
    await tab.until(`document.querySelectorAll(".rateline .line[d*=L]").length === 3`, "three lines");
    assert.match(await tab.value(`document.querySelector(".service .rate").innerText`), /^[\d.]+\/s$/);
  });

  test("a server that fails is seen by itself, in place: its own row changes, nothing else is made anew", async () => {
    await tab.value(
      `${row("app2")}.marked = true; ${row("app1")}.marked = true; document.querySelector("#text").focus()`,
    );
    await scene.machine("app2").off();
    await tab.until(`${textOf(row("app2"))}.includes("DOWN")`);
    assert.match(
      await tab.value(textOf(row("app2"))),
      /DOWN \d+s 0 \/ 100 down \d+ fail: connection refused \d+s ago$/,
    );
    assert.match(
      await tab.value(textOf(`document.querySelector("#problems")`)),
      /warning web app2: down for \d+s: connection refused/,
    );
    assert.match(await tab.value("document.title"), /^1 warning – /);
    assert.match(await tab.value(textOf(`document.querySelector(".events li")`)), /^\d\d:\d\d:\d\d .*app2/);
    assert.equal(await tab.value(`${row("app2")}.marked && ${row("app1")}.marked`), true);
    assert.equal(await tab.value("document.activeElement.id"), "text", "the focus stays");
  });

  test("the filter finds by any word, stands in the address, and is taken from it", async () => {
    const visible = `[...document.querySelectorAll(".row.server")].filter((row) => row.checkVisibility({ contentVisibilityAuto: false })).map((row) => row.querySelector("strong").textContent)`;
    await tab.value("document.activeElement.blur()");
    await tab.press("/");
    await tab.type("refused");
    assert.deepEqual(await tab.value(visible), ["app2"]);
    assert.equal(await tab.value("location.hash"), "#q=refused");
    assert.match(await tab.value(`document.querySelector("#shown").textContent`), /^1 of 8 servers$/);
    await tab.press("Escape");
    assert.deepEqual([await tab.value("location.hash"), ((await tab.value(visible)) as string[]).length], ["", 8]);
    await tab.value(`location.hash = "#problems=1"`);
    await tab.until(`document.querySelector("#only").checked`);
    assert.deepEqual(await tab.value(visible), ["app2"]);
    await tab.value(`location.hash = "#q=127.0.2.1%20api1"`);
    await tab.until(`!document.querySelector("#only").checked`);
    assert.deepEqual(await tab.value(visible), ["api1"]);
    await tab.value(`location.hash = ""`);
    await scene.machine("app2").on();
    await tab.until(`document.title.startsWith("1 warning") === false`);
  });

  test("what people and servers say stays text: nothing in a reason becomes a part of the page", async () => {
    const evil = `<img src=x onerror="window.caught=1"><script>window.caught=1</script>"'&lt;`;
    await scene.cli("disable", "mail", "mx2", "--reason", evil);
    await tab.until(`${textOf(row("mx2"))}.includes("disabled")`);
    const text = await tab.value<string>(`document.body.textContent`);
    assert.ok(text.includes(evil), "shown as it was said");
    assert.equal(await tab.value(`window.caught ?? document.querySelectorAll("main img, main script").length`), 0);
    await scene.cli("enable", "mail", "mx2");
    await tab.until(`!${textOf(row("mx2"))}.includes("disabled")`);
    assert.deepEqual(tab.complaints, []);
  });

  test("markup that got into the page all the same would not run: the policy refuses it", async () => {
    await tab.value(`(() => {
      const script = document.createElement("script");
      try { script.textContent = "window.caught = 1"; document.body.append(script); } catch {}
      const image = document.createElement("img");
      image.src = "http://192.0.2.1/x.png";
      document.body.append(image);
      script.remove(); image.remove();
    })()`);
    assert.equal(await tab.value("window.caught ?? 0"), 0);
    assert.ok(
      tab.complaints.length > 0 && tab.complaints.every((each) => /Content Security Policy|TrustedScript/.test(each)),
      tab.complaints.join("\n"),
    );
    (tab.complaints as string[]).length = 0;
  });

  test("a drain: the steps that are planned, what was given so far, where it stands; rolled back, it says so", async () => {
    await scene.cli(
      "drain",
      "web",
      "--from",
      "app1",
      "--to",
      "app4",
      "--steps",
      "25,50,75,100",
      "--every",
      "1500ms",
      "--detach",
      "--reason",
      "new kernel",
    );
    const card = `document.querySelector(".drain")`;
    await tab.until(`${card}?.innerText.includes("step 2 of 4")`);
    assert.match(
      await tab.value(textOf(card)),
      /^web: app1 → app4 shifting d-\w+ step 2 of 4, the next in \d+s .*given 50% planned 50% \d+ open connections on app1 .*begun \d+s ago by \S+: new kernel/,
    );
    // Four steps are planned; what was given has reached the first two of them.
    const heights = async (path: string) => {
      const d = await tab.value<string>(`${card}.querySelector("path.${path}").getAttribute("d")`);
      const [ground = "", ...others] = Array.from(d.matchAll(/[MV](?:[\d.]+ )?([\d.]+)/g), ([, y = ""]) => y);
      return [...new Set(others)].filter((y) => y !== ground);
    };
    const planned = await heights("planned");
    assert.equal(planned.length, 4);
    assert.deepEqual(await heights("given"), planned.slice(0, 2));
    assert.match(
      await tab.value(`${card}.querySelector(".drainplot").getAttribute("aria-label")`),
      /^planned in 4 steps to 100%; given 50% by \d\d:\d\d:\d\d, now$/,
    );
    assert.match(await tab.value(textOf(row("app1"))), / 50 \/ 100 drain /);
    assert.match(await tab.value(textOf(row("app4"))), / 50 \/ 0 drain /);
    await scene.cli("drain", "rollback", "web", "--reason", "errors");
    await tab.until(`${card}.dataset.state === "rolled-back"`);
    assert.match(await tab.value(textOf(card)), /rolled back .*given 0% .*rolled back \(errors\)/);
    assert.match(await tab.value(textOf(row("app1"))), / up \d+s 100 /);
  });

  test("fail-open is an error in words, at the service and at each server", async () => {
    await scene.machine("api1").off();
    await scene.machine("api2").off();
    await tab.until(`document.querySelectorAll(".service")[1].innerText.includes("failing open")`);
    assert.match(await tab.value(textOf(row("api1"))), /DOWN .* 100 fail-open /);
    assert.match(await tab.value("document.title"), /^1 error, 2 warnings – /);
    await scene.machine("api1").on();
    await scene.machine("api2").on();
    await tab.until(`document.querySelector(".overall").innerText.includes("All well")`);
  });

  test("a reload that brings and takes away servers and services: the page follows, and keeps what stays", async () => {
    const before = readFileSync(scene.conf, "utf8");
    const web = before.slice(0, before.indexOf("  - name: api"));
    await tab.value(`${row("app1")}.marked = true`);
    writeFileSync(scene.conf, web.replace(/ {6}- \{ name: app3.*\n/, "").replace("name: app4", "name: app9"));
    assert.equal((await scene.cli("reload", "--force")).code, 0);
    const names = (selector: string) =>
      tab.value(`[...document.querySelectorAll("${selector}")].map((each) => each.textContent)`);
    await tab.until(`document.querySelectorAll(".service").length === 1`);
    await tab.until(`${row("app9")}`);
    assert.deepEqual(await names(".row.server strong"), ["app1", "app2", "app9"]);
    assert.match(await tab.value(textOf(`document.querySelector("#beside")`)), /Leaving the table .*weight 0 for \d+s/);
    writeFileSync(scene.conf, before);
    assert.equal((await scene.cli("reload", "--force")).code, 0);
    await tab.until(`document.querySelectorAll(".row.server").length === 8`);
    assert.deepEqual(await names(".row.server strong"), ["app1", "app2", "app3", "app4", "api1", "api2", "mx1", "mx2"]);
    assert.deepEqual(await names(".service h2"), ["web", "api", "mail"]);
    assert.equal(await tab.value(`${row("app1")}.marked`), true);
    await tab.until(`document.querySelector(".overall").innerText.includes("All well")`);
  });

  for (const [what, look] of [
    ["a phone", { width: 360, height: 740, phone: true }],
    ["a tablet", { width: 800, height: 1_000, phone: true }],
    ["a window", { width: 1_280, height: 800 }],
  ] as const)
    test(`fits into ${what}, in light and dark, without scrolling sideways`, async () => {
      for (const scheme of ["light", "dark"] as const) {
        await tab.look({ phone: false, ...look, scheme });
        assert.ok(await tab.value("document.documentElement.scrollWidth <= innerWidth"));
        const [page, text] = await tab.value<[string, string]>(
          `[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]`,
        );
        assert.equal(brightness(page) > brightness(text), scheme === "light", `${page} ${text}`);
      }
      await tab.look({ width: 1_280, height: 900, scheme: "light", phone: false });
    });

  test("words can be read: their colours stand out from what is behind them (WCAG AA), in light and dark", async () => {
    for (const scheme of ["light", "dark"] as const) {
      await tab.look({ scheme });
      assert.deepEqual(await tab.value<string[]>(FAINT), [], scheme);
      const grey = scheme === "light" ? "#7f8892" : "#606a75";
      const pale = `document.documentElement.style.setProperty("--muted", "${grey}")`;
      const found = await tab.value<string[]>(`${pale}, ${FAINT}`);
      assert.ok(
        found.some((each) => each.includes("last check")),
        `a grey in the middle is seen: ${found}`,
      );
      await tab.value(`document.documentElement.removeAttribute("style")`);
    }
    await tab.look({ scheme: "light" });
  });

  test("without JavaScript it says which command shows the same", async () => {
    const plain = await browser.open(scene.url, { javascript: false });
    await plain.until(`document.querySelector("noscript")?.innerText.includes("director status --watch")`);
    await plain.close();
  });

  test("a daemon that is gone: what is shown is greyed and dated; when it is back the page is live again", async () => {
    await scene.kill();
    await tab.until(`document.body.dataset.link === "lost"`);
    assert.match(
      await tab.value(textOf(`document.querySelector("#lost")`)),
      /^Connection lost since \d\d:\d\d:\d\d \(for \d+s ?\)\. What is shown is as of then\. Trying again in \d+s\. ?Try now$/,
    );
    assert.match(await tab.value(`getComputedStyle(document.querySelector("main")).filter`), /grayscale/);
    await scene.run();
    await tab.value(`document.querySelector("#lost button").click()`);
    await tab.until(`document.body.dataset.link === "live" && document.querySelector("#lost").hidden`);
    assert.equal(await tab.value(`${row("app1")}.marked`), true, "the same rows, brought up to date");
    assert.ok(
      tab.complaints.every((each) => each.startsWith("Failed to load resource")),
      tab.complaints.join("\n"),
    );
  });
});

describe("the status page with 1,000 servers", { skip }, () => {
  let browser: Browser;
  let scene: Stage;
  before(async () => {
    [browser, scene] = await Promise.all([startBrowser(), thousand(3)]);
    await scene.run();
  });
  after(async () => {
    await browser?.close();
    await scene?.close();
  });

  test("is there soon, only touches what changes, and finds one of them", async () => {
    const tab = await browser.open(scene.url);
    await tab.until(`document.querySelectorAll(".row.server").length === 1000`);
    await tab.until(`document.title.startsWith("3 warnings")`);
    assert.match(await tab.value(textOf(`document.querySelector(".summary")`)), /servers serving 997 of 1,000 3 down/);
    await tab.value(`(() => {
      window.touched = new Set();
      new MutationObserver((all) => {
        for (const { target } of all) {
          const row = (target.nodeType === 1 ? target : target.parentElement)?.closest(".row.server");
          // Times go on in every row.
          if (row && !(target.nodeType === 1 ? target : target.parentElement).closest(".check, time")) touched.add(row.querySelector("strong").textContent);
        }
      }).observe(document.querySelector("#services"), { subtree: true, childList: true, characterData: true, attributes: true });
    })()`);
    await scene.cli("weight", "service-3", "node-3-7", "40");
    await tab.until(`${textOf(row("node-3-7"))}.includes("40 / 100")`);
    assert.deepEqual(await tab.value("[...touched]"), ["node-3-7"]);
    await tab.press("/");
    await tab.type("127.1.17.20:");
    await tab.until(`document.querySelector("#shown").textContent === "1 of 1,000 servers"`);
    assert.equal(await tab.value(`${row("node-17-19")}.checkVisibility()`), true);
    assert.deepEqual(tab.complaints, []);
  });
});

/** 0 to 255 of `rgb(1, 2, 3)`. */
function brightness(colour: string): number {
  const [red = 0, green = 0, blue = 0] = colour.match(/\d+/g)!.map(Number);
  return 0.3 * red + 0.59 * green + 0.11 * blue;
}

/** Runs in the page: texts whose contrast to their background is below 4.5 (below 3 where they are large). */
const FAINT = `(() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (under, colour) => {
    canvas.fillStyle = "rgb(" + under.join(",") + ")"; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => element ? over(behind(element.parentElement), getComputedStyle(element).backgroundColor) : [255, 255, 255];
  const faint = [];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (words.currentNode.data.trim() === "" || !element.checkVisibility() || element.closest("svg, noscript")) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    const [a, b] = [light(over(back, style.color)), light(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(element.className + " " + words.currentNode.data.trim() + " " + contrast.toFixed(2));
  }
  return [...new Set(faint)];
})()`;
