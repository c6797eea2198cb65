// Moves the first page: rows that come and go as the server tells of them. Without it the page reloads itself.

import { localise } from "./localise.js";
import { clock, countDown } from "./page.js";

const RETRY_MS = 5_000;

const tables = ["recent", "live"].map((id) => document.getElementById(id));
const counters = document.getElementById("counters");
const rows = new Map(tables.map((table) => [table, new Map([...table.children].map((row) => [row.dataset.key, row]))]));
const waiting = []; // changes that come while somebody points at a row: nothing may move under the hand
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

function take(table, change) {
  if (isHeld || waiting.length) {
    waiting.push([table, change]);
    for (const key of change.gone ?? []) rows.get(table).get(key)?.classList.add("over");
    if (isHeld) return;
    for (const [held, earlier] of waiting.splice(0)) apply(held, earlier);
  } else apply(table, change);
}

// Bring a table to what the server has, touching only what differs, so that focus, selection and scrolling stay.
function apply(table, { all, gone = [], put = [] }) {
  const known = rows.get(table);
  if (all) {
    const wanted = new Set(all.map(([key]) => key));
    gone = [...known.keys()].filter((key) => !wanted.has(key));
    put = all.map(([key, html], index) => [key, html, all[index + 1]?.[0] ?? null]).reverse();
  }
  for (const key of gone) {
    const row = known.get(key);
    known.delete(key);
    if (row) leave(row);
  }
  const sent = document.createElement("template");
  sent.innerHTML = put.map(([, html]) => html).join("");
  [...sent.content.children].forEach((row, index) => {
    const [key, , following] = put[index];
    const before = known.get(key);
    const isSame = before?.isEqualNode(row);
    localise(row);
    if (!before) {
      if (!all) row.classList.add("fresh");
      known.set(key, row);
      table.insertBefore(row, known.get(following) ?? null);
    } else if (!isSame) refill(before, row);
    if (before && before.nextElementSibling !== (known.get(following) ?? null)) table.insertBefore(before, known.get(following) ?? null);
  });
  countDown();
}

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
