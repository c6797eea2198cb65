// Moves the first page: rows that come and go as the server tells of them. Without it the page reloads itself.

import { localise } from "./localise.js";
import { clock, countDown } from "./page.js";

const RETRY_MS = 5_000;
const STEP = 200; // rows that a table shows at first, and so many more whenever its end comes into sight

const tables = ["recent", "live"].map((id) => document.getElementById(id));
const counters = document.getElementById("counters");
const lists = new Map(tables.map((table) => [table, listOf(table)]));
const field = document.querySelector("#number");
let needle = fragmentOf(field.value); // what rows are limited to, empty for all
const waiting = []; // changes that come while somebody points at a button: nothing may move under the hand
let isHeld = false;

watch();

// -- what the server tells --------------------------------------------------------------------------------------------

function watch() {
  const pulse = document.querySelector("#pulse");
  const pause = document.querySelector("#pause");
  let stream = null;
  let retry = 0;

  const say = (is, words) => {
    if (pulse.dataset.is !== is) pulse.textContent = words;
    pulse.dataset.is = is;
  };

  const close = () => {
    clearTimeout(retry);
    stream?.close();
    stream = null;
  };

  const open = () => {
    close();
    stream = new EventSource("live");
    stream.onopen = () => say("live", "live");
    stream.onerror = () => {
      say("lost", "connection lost, trying again");
      if (stream?.readyState === EventSource.CLOSED) retry = setTimeout(tryAgain, RETRY_MS);
    };
    stream.addEventListener("clock", (event) => (clock.aheadMs = Date.parse(event.data) - Date.now()));
    stream.addEventListener("counters", (event) => {
      counters.innerHTML = event.data;
      localise(counters);
    });
    for (const table of tables) stream.addEventListener(table.id, (event) => take(table, JSON.parse(event.data)));
  };

  // A stream that was turned away does not say why: ask, and let a session that is over show the sign-in page.
  const tryAgain = async () => {
    const asked = new AbortController();
    const status = await fetch("live", { signal: asked.signal }).then((reply) => reply.status, () => 0);
    asked.abort();
    if (status === 401) location.reload();
    else open();
  };

  // Browsers allow a handful of connections to a server: a page that nobody sees holds none.
  const follow = () => {
    const isPaused = pause.getAttribute("aria-pressed") === "true";
    if (!isPaused && !document.hidden) return open();
    close();
    if (isPaused) say("still", "paused");
  };

  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", String(pause.getAttribute("aria-pressed") !== "true"));
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  follow();
}

for (const table of tables) {
  table.addEventListener("pointerover", (event) => (isHeld = event.pointerType === "mouse" && event.target.closest(".do") !== null));
  table.addEventListener("pointerleave", () => {
    isHeld = false;
    for (const [held, change] of waiting.splice(0)) apply(held, change);
  });
}

// -- rows -------------------------------------------------------------------------------------------------------------

// What the server has, in its order, and the rows of it that stand in the page: thousands would be laid out anew each second.
function listOf(table) {
  const rows = new Map([...table.children].map((row) => [row.dataset.key, row]));
  return { order: [...rows.keys()], html: new Map(), rows, most: STEP };
}

function take(table, change) {
  if (isHeld) {
    waiting.push([table, change]);
    for (const key of change.gone ?? []) lists.get(table).rows.get(key)?.classList.add("over");
  } else apply(table, change);
}

function apply(table, { all, gone = [], put = [] }) {
  const list = lists.get(table);
  const changed = new Set();
  if (all) {
    list.order = all.map(([key]) => key);
    list.html = new Map(all);
    for (const key of list.order) changed.add(key);
  } else {
    const moved = new Set([...gone, ...put.map(([key]) => key)]);
    const order = list.order.filter((key) => !moved.has(key));
    for (const key of gone) list.html.delete(key);
    for (const [key, html, following] of put) {
      order.splice(following === null ? order.length : order.indexOf(following), 0, key);
      list.html.set(key, html);
      changed.add(key);
    }
    list.order = order;
  }
  show(table, changed, !all);
}

// Bring the page to what the list has, touching only what differs, so that focus, selection and scrolling stay.
function show(table, changed, isNews) {
  const list = lists.get(table);
  const all = needle ? list.order.filter((key) => isWanted(list, key)) : list.order;
  const wanted = all.slice(0, list.most);
  const kept = new Set(wanted);
  for (const [key, row] of list.rows) {
    if (kept.has(key)) continue;
    if (!list.html.has(key)) list.html.set(key, row.outerHTML);
    list.rows.delete(key);
    leave(row);
  }
  const sent = document.createElement("template");
  const fill = wanted.filter((key) => changed.has(key) || !list.rows.has(key));
  sent.innerHTML = fill.map((key) => list.html.get(key)).join("");
  const made = new Map([...sent.content.children].map((row) => [row.dataset.key, row]));
  let next = table.firstElementChild;
  for (const key of wanted) {
    const known = list.rows.get(key);
    const fresh = made.get(key);
    if (fresh) localise(fresh);
    const row = known ?? fresh;
    if (known && fresh) refill(known, fresh);
    if (!known) {
      if (isNews) row.classList.add("fresh");
      list.rows.set(key, row);
    }
    if (row === next) next = next.nextElementSibling;
    else table.insertBefore(row, next);
  }
  table.dataset.count = all.length;
  const more = table.closest(".table").querySelector(".more-rows");
  if (more) {
    more.hidden = all.length <= list.most;
    more.textContent = `Show more of the ${(all.length - wanted.length).toLocaleString()} below`;
  }
  countDown();
}

for (const more of document.querySelectorAll(".more-rows")) {
  const table = more.closest(".table").querySelector("tbody");
  const grow = () => {
    lists.get(table).most += STEP;
    show(table, new Set(), false);
  };
  more.addEventListener("click", grow);
  new IntersectionObserver(([end]) => end.isIntersecting && !more.hidden && grow(), { root: more.closest(".tall") }).observe(more);
}

// -- what is looked for -----------------------------------------------------------------------------------------------

// As the server reads it: of a number without the blanks and punctuation between its digits.
function fragmentOf(text) {
  const bare = text.trim().replace(/[ ().\u00a0-]/g, "");
  return (/^\+?\d+$/.test(bare) ? bare : text.trim()).toLowerCase();
}

// A row says itself what it is found by; of one that does not stand in the page, as its markup has it.
function isWanted(list, key) {
  const row = list.rows.get(key);
  const text = row?.dataset.find ?? unescaped(/data-find="([^"]*)"/.exec(list.html.get(key))[1]);
  return text.includes(needle);
}

function unescaped(markup) {
  if (!markup.includes("&")) return markup;
  const sent = document.createElement("template");
  sent.innerHTML = markup;
  return sent.content.textContent;
}

function find() {
  needle = fragmentOf(field.value);
  const address = new URL(location.href);
  if (field.value.trim()) address.searchParams.set("number", field.value.trim());
  else address.searchParams.delete("number");
  history.replaceState(null, "", address);
  for (const link of document.querySelectorAll(".forms a")) link.search = address.search;
  for (const empty of document.querySelectorAll("[data-filtered]")) {
    empty.dataset.plain ??= "No call is up.";
    empty.textContent = needle ? empty.dataset.filtered : empty.dataset.plain;
  }
  for (const table of tables) show(table, new Set(), false);
}

field.addEventListener("input", find);
field.form.addEventListener("submit", (event) => {
  event.preventDefault();
  find();
});

// The row stays, and with it what has the focus in it; only cells that are others by now are filled anew.
function refill(row, sent) {
  [...sent.children].forEach((cell, index) => {
    if (!row.children[index].isEqualNode(cell)) row.children[index].innerHTML = cell.innerHTML;
  });
}

// A call that ends moves from one table to the other: who had it in focus goes with it.
function leave(row) {
  const isFocused = row.contains(document.activeElement);
  row.remove();
  if (!isFocused) return;
  const elsewhere = document.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"] a`);
  elsewhere?.focus({ preventScroll: true });
}
