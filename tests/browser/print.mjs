// Prints a page on A4: `node print.mjs PAGE.html FILE.pdf`
import { pathToFileURL } from "node:url";
import { withChromium } from "./browser.mjs";

const [file, path] = process.argv.slice(2);
await withChromium(async (browser) => {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(file).href);
  await page.pdf({ path, format: "A4" });
});
