// SPDX-License-Identifier: Apache-2.0
// Without this script, every page still shows all that it has.  It adds: the description of a cell
// by mouse and arrow keys, changes as they happen, and the filters of a file that nobody serves.

"use strict";

const main = () => document.querySelector("main");
const addressOf = (cell) => cell.getAttribute("aria-label").split(",")[0];
const cellOf = (target) =>
  target instanceof Element ? target.closest(".map td:not(.gap)") : null;
const cellsOf = (row) => (row ? [...row.querySelectorAll("td:not(.gap)")] : []);

// The description of a cell.

for (const kind of ["mouseover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const cell = cellOf(event.target);
    const info = cell?.closest(".scroll").nextElementSibling;
    if (info) info.textContent = cell.getAttribute("aria-label");
  });
}

// One cell of each map is in the order of the tab key; the arrow keys lead to the others.

function enter(grid) {
  const first = grid.querySelector("td:not(.gap)");
  if (first && !grid.querySelector('td[tabindex="0"]')) first.tabIndex = 0;
}

function nearest(cell, row) {
  const middle = (each) => each.offsetLeft + each.offsetWidth / 2;
  const distance = (each) => Math.abs(middle(each) - middle(cell));
  return cellsOf(row).sort((one, other) => distance(one) - distance(other))[0];
}

const KEYS = {
  ArrowLeft: (cell, row) =>
    row[row.indexOf(cell) - 1] ?? cellsOf(cell.parentElement.previousElementSibling).pop(),
  ArrowRight: (cell, row) =>
    row[row.indexOf(cell) + 1] ?? cellsOf(cell.parentElement.nextElementSibling)[0],
  ArrowUp: (cell) => nearest(cell, cell.parentElement.previousElementSibling),
  ArrowDown: (cell) => nearest(cell, cell.parentElement.nextElementSibling),
  Home: (_, row) => row[0],
  End: (_, row) => row[row.length - 1],
};

function focusOn(cell, options) {
  for (const each of cell.closest(".map").querySelectorAll('td[tabindex="0"]')) each.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus(options);
}

document.addEventListener("keydown", (event) => {
  const cell = cellOf(event.target);
  if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" && event.target === cell) {
    cell.querySelector("a")?.click();
  } else if (KEYS[event.key]) {
    event.preventDefault();
    const next = KEYS[event.key](cell, cellsOf(cell.parentElement));
    if (next) focusOn(next);
  }
});

// Changes as they happen.  The service tells the generation of what it has; a page of another one
// is read again.  So a page becomes right after a lost connection, too.

let latest = "";
let reading = false;

function say(text) {
  const place = document.querySelector("#live");
  if (place.textContent !== text) place.textContent = text;
}

async function refresh() {
  if (reading) return;
  reading = true;
  try {
    while (latest !== main().dataset.generation) {
      const wanted = latest;
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status >= 500) throw new Error(answer.statusText);
      replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (wanted === latest) break;
    }
  } catch {
    setTimeout(refresh, 2000);
  } finally {
    reading = false;
  }
}

function replace(next) {
  const page = next.querySelector("main");
  const old = main();
  if (!page) {  // the pool is gone
    old.replaceChildren(...next.body.childNodes);
    old.dataset.generation = latest;
    return;
  }
  const focused = cellOf(document.activeElement);
  const scrolls = [...old.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  old.replaceWith(document.adoptNode(page));
  page.querySelectorAll(".scroll").forEach((each, at) => { each.scrollLeft = scrolls[at] ?? 0; });
  const same = focused && [...page.querySelectorAll(".map td:not(.gap)")].find(
    (each) => addressOf(each) === addressOf(focused),
  );
  if (same) focusOn(same, { preventScroll: true });
  page.querySelectorAll(".map").forEach(enter);
  const form = document.querySelector("#filters");
  if (!form.contains(document.activeElement)) form.replaceWith(next.querySelector("#filters"));
  const text = document.querySelector("#manifest");
  const fresh = next.querySelector("#manifest");
  if (text.value === text.defaultValue) text.defaultValue = fresh.defaultValue;
}

function follow(url) {
  const source = new EventSource(url);
  source.addEventListener("state", (event) => {
    const { generation, failure } = JSON.parse(event.data);
    latest = String(generation);
    say(failure ? `not live: ${failure}` : "live");
    refresh();
  });
  source.addEventListener("error", () => say("not live: kubectl ipam map does not answer"));
}

// The filters of a file.

function filter(form) {
  const wanted = Object.fromEntries(new FormData(form));
  const text = wanted.q.toLowerCase();
  for (const row of document.querySelectorAll("section tr[data-namespace]")) {
    const { namespace, cluster } = row.dataset;
    row.hidden = !(
      row.textContent.toLowerCase().includes(text)
      && ["", namespace].includes(wanted.namespace)
      && ["", cluster].includes(wanted.cluster)
    );
  }
  const any = Boolean(text || wanted.namespace || wanted.cluster);
  for (const cell of document.querySelectorAll(".map td:not(.gap)")) {
    cell.classList.toggle("dim", any && !leadsToAShownRow(cell));
  }
}

function leadsToAShownRow(cell) {
  const link = cell.querySelector("a");
  const row = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
  return Boolean(row) && !row.hidden;
}

function inFile(form) {
  const known = new URLSearchParams(location.search);
  for (const [name, value] of known) {
    if (form.elements[name]) form.elements[name].value = value;
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => filter(form));
  if (known.size) filter(form);
}

document.querySelectorAll(".map").forEach(enter);
if (main().dataset.events) follow(main().dataset.events);
else inFile(document.querySelector("#filters"));
