// Chromium and axe-core for the scripts beside this one. Exits 3 if one of them is not there. PROVOST_CHROMIUM names the browser.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = process.env.PROVOST_NODE_MODULES
  ?? join(dirname(fileURLToPath(import.meta.url)), "../../third_party/node/node_modules");
const executablePath = [process.env.PROVOST_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .find((path) => path && existsSync(path));
let chromium;
export let axe;
try {
  const require = createRequire(join(packages, "x.js"));
  ({ chromium } = require("playwright-core"));
  axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
} catch (error) {
  console.error(`playwright-core and axe-core are not in ${packages}: scripts/setup.sh acceptance fetches them (${error.message})`);
  process.exit(3);
}
if (!executablePath) {
  console.error("Chromium is not installed");
  process.exit(3);
}

export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
