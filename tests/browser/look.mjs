// What a reader's browser makes of pages, as JSON by page: `node look.mjs PAGE.html …`
import axe from "axe-core";
import { pathToFileURL } from "node:url";
import { withChromium } from "./browser.mjs";

const WIDE = { width: 1200, height: 900 };
const NARROW = { width: 320, height: 640 };
const RULES = { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };
const OF_COLOURS = { type: "rule", values: ["color-contrast", "link-in-text-block"] };

/** All there is to see is shown: what is folded, and images that are loaded only when they come into view. */
function unfold() {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const image of document.images) image.loading = "eager";
  return Promise.allSettled([...document.images].map((image) => image.decode()));
}

function images() {
  return [...document.images].map((image) => {
    const box = image.getBoundingClientRect();
    return {
      alt: image.alt,
      declared: [Number(image.getAttribute("width")), Number(image.getAttribute("height"))],
      natural: [image.naturalWidth, image.naturalHeight],
      shown: [box.width, box.height],
    };
  });
}

/** How far the page is wider than the window, in CSS pixels. */
function overflow() {
  const root = document.scrollingElement;
  return root.scrollWidth - root.clientWidth;
}

/** The controls that Tab should reach, in the page's order, each with a number to be known by. */
function controls() {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
  const shown = [...all].filter((one) => one.checkVisibility() && !one.disabled);
  shown.forEach((one, number) => (one.dataset.control = number));
  return shown.map((one) => one.outerHTML.replace(/\s+/g, " ").slice(0, 120));
}

/** The control that has the focus: its number, and whether it can be seen that it has it. */
function focused() {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const [box] = one.getClientRects();
  const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2;
  const y = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;
  return {
    control: one.dataset.control ?? one.outerHTML.slice(0, 120),
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    inView: one.contains(document.elementFromPoint(x, y)),
  };
}

/** Every stop of Tab from the page's top to its end. */
async function tabbed(page, most) {
  const stops = [];
  while (stops.length <= most) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(focused);
    if (stop === null) break;
    stops.push(stop);
  }
  return stops;
}

/** What the skip link does when it is the first thing a keyboard finds. */
async function skipped(page) {
  await page.keyboard.press("Tab");
  const first = await page.evaluate(focused);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const next = await page.evaluate(() => document.activeElement.closest("main") !== null);
  return { first, hash: new URL(page.url()).hash, leadsIntoMain: next };
}

/**
 * What axe finds, window by window. Dark differs from light in nothing but colours. A narrow window hides what is to be
 * scrolled to, and shadows at the edges tell of it: axe measures no contrast there, so the wide one is without shadows.
 */
async function audits(page) {
  await page.evaluate(axe.source);
  await page.evaluate(() => {
    for (const one of document.querySelectorAll(".scroll, .plot")) one.style.background = "none";
  });
  return {
    narrow: await audit(page, NARROW, "light", RULES),
    light: await audit(page, WIDE, "light", RULES),
    dark: await audit(page, WIDE, "dark", OF_COLOURS),
  };
}

async function audit(page, size, colorScheme, rules) {
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme });
  const run = (runOnly) => axe.run({ runOnly, resultTypes: ["violations"] });
  const { violations } = await page.evaluate(run, rules);
  return violations.map(({ id, nodes }) => ({ rule: id, nodes: nodes.map((node) => node.html.slice(0, 200)) }));
}

/** A page as it is: nothing is set aside that would change what its content security policy forbids. */
async function look(context, url) {
  const page = await context.newPage();
  const [requests, errors] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  await page.setViewportSize(WIDE);
  await page.goto(url);
  const reachable = await page.evaluate(controls);
  const stops = await tabbed(page, reachable.length);
  await page.reload();
  const skip = await skipped(page);
  await page.evaluate(unfold);
  const shown = await page.evaluate(images);
  await page.setViewportSize(NARROW);
  const wider = await page.evaluate(overflow);
  const heard = { requests: [...requests], errors: [...errors] };
  const found = { ...heard, controls: reachable, stops, skip, images: shown, wider, audits: await audits(page) };
  await page.close();
  return found;
}

const files = process.argv.slice(2);
const seen = {};
await withChromium(async (browser) => {
  const context = await browser.newContext();
  const waiting = files.values();
  const worker = async () => {
    for (const file of waiting) seen[file] = await look(context, pathToFileURL(file).href);
  };
  await Promise.all([worker(), worker()]);
});
process.stdout.write(JSON.stringify(seen));
