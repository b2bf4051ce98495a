// What an operator does, in a browser without scripts: a file is uploaded, looked at, mapped and imported; what needs somebody is dealt
// with; jobs are searched and run again; a key is made.
//
//   node tests/browser/journey.mjs URL FILE
//
// Exits 1 and says which step failed; 3 if Chromium or a package is not there.
import { launch } from "./browser.mjs";

const [url, file] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, javaScriptEnabled: false });
const page = await context.newPage();
page.setDefaultTimeout(20_000);

const steps = [];
const step = (name, work) => steps.push([name, work]);
const see = async (text) => {
  const body = await page.locator("body").innerText();
  if (!body.includes(text)) throw new Error(`\`${text}\` is not on ${page.url()}: ${body.slice(0, 600)}`);
};

step("upload a file", async () => {
  await page.goto(`${url}/data`);
  await page.getByRole("link", { name: "Upload a file" }).click();
  await page.setInputFiles("#file", file);
  await page.getByRole("button", { name: "Look at it" }).click();
  await see("First rows");
});
step("pick columns and import", async () => {
  await page.locator("input[name=mode][value=pick]").check();
  await page.selectOption("#f-university_name", { label: "Institution" });
  await page.selectOption("#f-decision", { label: "Result" });
  await page.selectOption("#f-gpa", { label: "Marks" });
  await page.selectOption("#f-application_year", { label: "Season" });
  await page.getByRole("button", { name: "Import" }).click();
  await see("rows are new or changed");
  await see("Download the rejected rows");
});
step("deal with what needs somebody", async () => {
  for (let tries = 0; tries < 60; tries += 1) {
    await page.goto(`${url}/needs`);
    if (await page.getByRole("button", { name: "Acknowledge" }).count()) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await page.locator("input[name=reason]").first().fill("looked at in a test");
  await page.getByRole("button", { name: "Acknowledge" }).first().click();
  await see("Acknowledged");
  await page.goto(`${url}/needs?state=acknowledged`);
  await see("looked at in a test");
});
step("search jobs and run one again", async () => {
  await page.goto(`${url}/jobs`);
  await page.fill("#text", "journey");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  if ((await page.locator("tbody tr").count()) !== 1) throw new Error("one job has this tag");
  await page.locator("input[name=ids]").check();
  await page.getByRole("button", { name: "Run ticked again" }).click();
  await see("1 of 1 job queued again");
});
step("make a key", async () => {
  await page.goto(`${url}/system/keys`);
  await page.locator("input[name=role][value=admin]").check();
  await page.fill("#name", "journey");
  await page.getByRole("button", { name: "Make the key" }).click();
  const key = await page.locator("#made").innerText();
  if (!key.startsWith("pvk_")) throw new Error(`no key: ${key}`);
});

let failed = false;
for (const [name, work] of steps) {
  try {
    await work();
    console.log(`ok: ${name}`);
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    failed = true;
    break;
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
