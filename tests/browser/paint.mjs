// How soon Chromium paints pages of a running service.
//
//   node tests/browser/paint.mjs URL LOADS PATH…
//
// One JSON line per page: its path, and for each load, in a context without a cache, the milliseconds from navigation to the first
// contentful paint. Exits 3 if Chromium or a package is not there.
import { launch } from "./browser.mjs";

const [url, loads, ...paths] = process.argv.slice(2);
const browser = await launch();

const load = async (path) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const answer = await page.goto(url + path, { waitUntil: "load" });
  if (answer.status() !== 200) throw new Error(`${path}: status ${answer.status()}`);
  const painted = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntriesByName("first-contentful-paint")) resolve(entry.startTime);
    }).observe({ type: "paint", buffered: true });
  }));
  await context.close();
  return painted;
};

// The browser starts its processes with the first page.
await load(paths[0]);
for (const path of paths) {
  const times = [];
  for (let i = 0; i < Number(loads); i++) times.push(await load(path));
  console.log(JSON.stringify({ path, times }));
}
await browser.close();
