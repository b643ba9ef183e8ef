// Sorts and filters the table of all cells. What it finds in the page is described in cells.html.
"use strict";

const table = document.querySelector("#cells-table");
const body = table.tBodies[0];
const rows = [...body.rows];
const heads = [...table.tHead.querySelectorAll("th[data-key]")];
const filters = [...document.querySelectorAll("select[data-filter]")];
const column = Object.fromEntries(heads.map((head) => [head.dataset.key, head.cellIndex]));
let state = new URLSearchParams();

function value(row, key) {
  const cell = row.cells[column[key]];
  const text = cell.dataset.value ?? cell.textContent.trim();
  return text === "" || isNaN(text) ? text : Number(text);
}

// Array.prototype.sort is stable: equal rows stay in the order that the page came with.
function sorted(key, order) {
  const sign = order === "descending" ? -1 : 1;
  const keyed = rows.map((row) => [value(row, key), row]);
  keyed.sort(([a], [b]) => (a === "") - (b === "") || sign * ((a > b) - (a < b)));
  return keyed.map(([, row]) => row);
}

function show() {
  const [key, order] = [state.get("sort"), state.get("order")];
  const wanted = key in column ? sorted(key, order) : rows;
  // Laying out the table anew takes longer than all else here.
  if (wanted.some((row, place) => row !== body.rows[place])) body.append(...wanted);
  for (const head of heads) {
    head.ariaSort = head.dataset.key === key ? (order === "descending" ? order : "ascending") : "none";
  }
  let shown = 0;
  for (const row of rows) {
    row.hidden = filters.some(({ dataset, value: wanted }) => wanted && String(value(row, dataset.filter)) !== wanted);
    shown += !row.hidden;
  }
  document.querySelector("#rows-shown").textContent = shown.toLocaleString("en");
}

function change(values) {
  for (const [key, text] of Object.entries(values)) text ? state.set(key, text) : state.delete(key);
  history.replaceState(null, "", `#${state}`);
  show();
}

// An address that only leads to a place in the page, such as #content, says nothing of the table.
function restore() {
  const hash = location.hash.slice(1);
  if (hash && !hash.includes("=")) return;
  state = new URLSearchParams(hash);
  for (const filter of filters) {
    filter.value = state.get(filter.dataset.filter) ?? "";
    if (filter.selectedIndex < 0) filter.value = "";
  }
  show();
}

for (const head of heads) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => {
    const first = head.dataset.first ?? "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    change({ sort: head.dataset.key, order: head.ariaSort === first ? other : first });
  });
  head.append(button);
}
for (const filter of filters) {
  filter.addEventListener("change", () => change({ [filter.dataset.filter]: filter.value }));
}
document.querySelector("#reset").addEventListener("click", () => {
  history.replaceState(null, "", "#");
  restore();
});
for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
addEventListener("hashchange", restore);
restore();
