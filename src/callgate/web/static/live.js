// Moves the first page: rows that come and go as the server tells of them. Without it the page reloads itself.

import { localise } from "./localise.js";
import { clock, countDown } from "./page.js";

const RETRY_MS = 5_000;

const parts = ["counters", "recent", "live"].map((id) => document.getElementById(id)).filter(Boolean);
const sources = new WeakMap(); // what the server sent for a row or cell, before times were made local

for (const part of parts) for (const row of part.children) remember(row);
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
    for (const part of parts) stream.addEventListener(part.id, (event) => fill(part, event.data));
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

// -- rows -------------------------------------------------------------------------------------------------------------

function remember(row) {
  sources.set(row, row.outerHTML);
  for (const cell of row.children) sources.set(cell, cell.outerHTML);
}

// Bring a part to what the server sent, touching only what differs, so that focus, selection and scrolling stay.
function fill(part, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const keyOf = (row, index) => row.dataset.key ?? String(index);
  const present = new Map([...part.children].map((row, index) => [keyOf(row, index), row]));
  const wanted = [...template.content.children].map((row, index) => {
    const known = present.get(keyOf(row, index));
    present.delete(keyOf(row, index));
    remember(row);
    if (!known) row.classList.add("fresh");
    return known ? patched(known, row) : row;
  });
  for (const gone of present.values()) leave(gone);
  wanted.forEach((row, index) => {
    if (part.children[index] !== row) part.insertBefore(row, part.children[index] ?? null);
  });
  localise(part);
  countDown();
}

function patched(row, sent) {
  if (sources.get(row) === sources.get(sent)) return row;
  row.className = sent.className;
  [...sent.children].forEach((cell, index) => {
    const known = row.children[index];
    if (sources.get(known) === sources.get(cell)) return;
    known.innerHTML = cell.innerHTML;
    sources.set(known, sources.get(cell));
  });
  sources.set(row, sources.get(sent));
  return row;
}

// A call that ends moves from one table to the other: who had it in focus goes with it.
function leave(row) {
  const isFocused = row.contains(document.activeElement);
  row.remove();
  if (!isFocused) return;
  const elsewhere = document.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"] a`);
  elsewhere?.focus({ preventScroll: true });
}
