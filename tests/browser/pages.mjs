// Opens pages of a running service in Chromium, at two widths and in both colour schemes, with scripts and without.
//
//   node tests/browser/pages.mjs URL FOLDER PATH…
//
// Each page is a PNG in FOLDER. Exits 1 and says why if a page has an error in its console, asks another host, is wider than the
// window (or, at further widths, has a control beyond the edge of its card), has a chart with texts below 11 px or beyond its edges, or has a serious fault by axe-core; 3 if Chromium or a package is not there.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { axe, launch } from "./browser.mjs";

const [url, folder, ...paths] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const browser = await launch();
const faults = [];
const host = new URL(url).host;

const open = async (options, path, name, work) => {
  const context = await browser.newContext({ ...options, bypassCSP: false, reducedMotion: "reduce" });
  const page = await context.newPage();
  const fault = (text) => faults.push(`${name} ${path}: ${text}`);
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) fault(`console: ${message.text()}`); });
  page.on("pageerror", (error) => fault(`error: ${error.message}`));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.protocol !== "data:" && asked.host !== host) fault(`asks ${asked.host}`);
  });
  const answer = await page.goto(url + path, { waitUntil: "load" });
  if (answer.status() !== 200) fault(`status ${answer.status()}`);
  await work(page, fault);
  await context.close();
};

// Nothing makes the page wider than the window, and no control passes the edge of its card.
const fits = async (page, fault) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) fault(`${wide} px wider than the window`);
  const beyond = await page.evaluate(() => Array.from(document.querySelectorAll(".card")).flatMap((card) => {
    const edge = card.getBoundingClientRect().right;
    const controls = Array.from(card.querySelectorAll("input, select, textarea, button, .button, img, svg"));
    return controls.filter((one) => !one.closest(".scroll") && one.getBoundingClientRect().right > edge + 1)
      .map((one) => `${one.tagName.toLowerCase()} ${one.id || one.name || one.className}`);
  }));
  for (const one of beyond.slice(0, 5)) fault(`passes the edge of its card: ${one}`);
};

for (const [number, path] of paths.entries()) {
  const words = path.replace(/[?].*/, "").split("/").filter((part) => /^[a-z]{1,12}$/.test(part));
  const stem = `${String(number + 1).padStart(2, "0")}_${words.join("_") || "overview"}`;
  for (const width of [1440, 360]) {
    for (const colorScheme of ["light", "dark"]) {
      const name = `${stem}_${width}_${colorScheme}`;
      await open({ viewport: { width, height: 900 }, colorScheme }, path, name, async (page, fault) => {
        await page.waitForTimeout(150);
        await fits(page, fault);
        const texts = await page.evaluate(() => Array.from(document.querySelectorAll("svg.chart")).flatMap((svg) => {
          const box = svg.getBoundingClientRect();
          if (!box.width) return [];
          const scale = box.width / svg.viewBox.baseVal.width;
          return Array.from(svg.querySelectorAll("text")).flatMap((text) => {
            const size = parseFloat(getComputedStyle(text).fontSize) * scale;
            const at = text.getBoundingClientRect();
            const name = `"${text.textContent}" in ${svg.querySelector("title").textContent}`;
            if (size < 10.9) return [`${name} has ${size.toFixed(1)} px`];
            return at.left < box.left - 2 || at.right > box.right + 2 ? [`${name} passes an edge`] : [];
          });
        }));
        for (const text of texts.slice(0, 5)) fault(`chart: ${text}`);
        await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
        await page.evaluate(axe).catch(() => {});
        // Run in the page's isolated world: the page's own policy lets no text be run.
        const found = await page.evaluate(async () => {
          if (!window.axe) return null;
          const result = await window.axe.run(document, { resultTypes: ["violations"] });
          return result.violations.filter((v) => ["serious", "critical"].includes(v.impact))
            .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")}`);
        });
        if (found === null) fault("axe-core did not run");
        for (const violation of found ?? []) fault(`axe ${violation}`);
      });
    }
  }
  for (const width of [1280, 800]) {
    await open({ viewport: { width, height: 900 } }, path, `${stem}_${width}`, fits);
  }
  await open({ viewport: { width: 1440, height: 900 }, javaScriptEnabled: false }, path, `${stem}_without_script`, async (page, fault) => {
    if ((await page.locator("h1").count()) !== 1) fault("has no heading");
  });
}
await browser.close();
for (const fault of faults) console.error(fault);
console.log(`${paths.length} pages, ${faults.length} faults`);
process.exit(faults.length ? 1 : 0);
