// How long pages take to open from a disk: `node open.mjs PAGE.html …` prints the seconds until each is loaded and drawn.
import { pathToFileURL } from "node:url";
import { withChromium } from "./browser.mjs";

await withChromium(async (browser) => {
  const took = {};
  for (const file of process.argv.slice(2)) {
    const page = await browser.newPage();
    const began = performance.now();
    await page.goto(pathToFileURL(file).href);
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))));
    took[file] = (performance.now() - began) / 1000;
    await page.close();
  }
  console.log(JSON.stringify(took));
});
