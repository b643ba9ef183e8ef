// What becomes of the table of all cells as it is used, as JSON by step: `node table.mjs cells.html`
import { pathToFileURL } from "node:url";
import { withChromium } from "./browser.mjs";

/** What a reader sees of the table: its rows by column, how columns say that they are sorted, the rows counted. */
function state() {
  const heads = [...document.querySelectorAll("#cells-table thead th")];
  const shown = [...document.querySelectorAll("#cells-table tbody tr")].filter((row) => row.checkVisibility());
  const filters = [...document.querySelectorAll("select[data-filter]")];
  return {
    rows: shown.map((row) =>
      Object.fromEntries([...row.cells].map((cell, k) => [heads[k].dataset.key ?? k, cell.innerText.trim()])),
    ),
    sorted: Object.fromEntries(heads.filter((head) => (head.ariaSort ?? "none") !== "none").map((head) => [head.dataset.key, head.ariaSort])),
    counted: document.querySelector("#rows-shown").checkVisibility() && document.querySelector("#rows-shown").innerText,
    chosen: Object.fromEntries(filters.map((filter) => [filter.dataset.filter, filter.value])),
    controls: [...filters, ...document.querySelectorAll("thead button, #reset")].filter((one) => one.checkVisibility()).length,
    address: location.hash,
  };
}

const button = (page, key) => page.locator(`th[data-key="${key}"] button`);

const [file] = process.argv.slice(2);
const url = pathToFileURL(file).href;
const seen = {};
await withChromium(async (browser) => {
  const plain = await browser.newPage({ javaScriptEnabled: false });
  await plain.goto(url);
  seen.plain = await plain.evaluate(state);
  const page = await browser.newPage();
  const after = async (step, act) => {
    await act();
    seen[step] = await page.evaluate(state);
  };
  await after("opened", () => page.goto(url));
  await after("clicked", () => button(page, "final_test_loss").click());
  await after("clicked again", () => button(page, "final_test_loss").click());
  await after("entered", () => button(page, "batch_size").press("Enter"));
  await after("filtered", () => page.locator('select[data-filter="optimizer"]').selectOption("adam"));
  await after("reloaded", () => page.reload());
  const other = await browser.newPage();
  await other.goto(page.url());
  seen.elsewhere = await other.evaluate(state);
  await after("filtered twice", () => page.locator('select[data-filter="problem"]').selectOption("linear"));
  await after("reset", () => page.locator("#reset").click());
});
process.stdout.write(JSON.stringify(seen));
