// How soon Chromium paints pages of a running service.
//
//   node tests/browser/paint.mjs URL LOADS PATH…
//
// One JSON line per page: its path, and the milliseconds from navigation to the first contentful paint: `open` in a tab that was on
// another page before, so that the style sheet and the script are in the cache, and `fresh` in a tab with a process and a cache of its own.
// Exits 3 if Chromium or a package is not there.
import { launch } from "./browser.mjs";

const [url, loads, ...paths] = process.argv.slice(2);
const browser = await launch();
const context = () => browser.newContext({ viewport: { width: 1440, height: 900 } });

const load = async (page, path) => {
  const answer = await page.goto(url + path, { waitUntil: "load" });
  if (answer.status() !== 200) throw new Error(`${path}: status ${answer.status()}`);
  return page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(entry.startTime);
    }).observe({ type: "paint", buffered: true });
  }));
};

const times = new Map(paths.map((path) => [path, { open: [], fresh: [] }]));
const tab = await (await context()).newPage();
await load(tab, paths[paths.length - 1]);
for (let i = 0; i < Number(loads); i++) {
  for (const path of paths) times.get(path).open.push(await load(tab, path));
}
for (const path of paths) {
  for (let i = 0; i < Number(loads); i++) {
    const alone = await context();
    times.get(path).fresh.push(await load(await alone.newPage(), path));
    await alone.close();
  }
}
for (const [path, found] of times) console.log(JSON.stringify({ path, ...found }));
await browser.close();
