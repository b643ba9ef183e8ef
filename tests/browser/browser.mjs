// Chromium as the tests use it: the one whose path the variable CHROMIUM holds, with no host to be found.
import { chromium } from "playwright-core";

/** Calls `use` with a browser, and ends it. */
export async function withChromium(use) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--host-resolver-rules=MAP * ~NOTFOUND"],
  });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}
