// Screenshots for docs/OPERATORS.md and the README, of a service that serves what the demo has trained.
//   node tour.mjs URL FOLDER
import { join } from "node:path";
import { launch } from "./browser.mjs";

const [url, folder] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", reducedMotion: "reduce" });
const page = await context.newPage();

const shot = async (name) => {
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(`images: ${join(folder, `${name}.png`)}`);
};
const open = (path) => page.goto(url + path, { waitUntil: "load" });

// The first look of the service settles what the demo has left open.
await page.waitForTimeout(4000);
await open("/ask");
const entered = { gpa: "3.6", gpa_scale: "4", gre_quant: "167", gre_verbal: "158", toefl: "104", publications: "1", acceptance_rate: "0.2", average_gpa: "3.6" };
for (const [id, value] of Object.entries(entered)) await page.fill(`#${id}`, value);
await Promise.all([page.waitForNavigation(), page.click("button.primary")]);
await shot("ask");

await open("/models");
const models = await page.$$eval("tbody th a", (links) => links.map((link) => link.getAttribute("href")));
const serving = await page.$eval("tr:has(.tag.s-done) th a", (link) => link.getAttribute("href"));
const other = models.find((path) => path !== serving);
await open(other);
await page.waitForTimeout(3000);
await shot("model");
await open(`/compare?ids=${serving.split("/").pop()}&ids=${other.split("/").pop()}`);
await shot("compare");
await open("/jobs");
await open(await page.$eval("tbody th a", (link) => link.getAttribute("href")));
await shot("job");
await open("/");
await shot("overview");
await browser.close();
