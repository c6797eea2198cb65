// What any page may have: seconds that count down, and a menu that shows where one is. Without it pages are complete.

import { localise } from "./localise.js";

const LOW_S = 15;
const content = document.querySelector("#content");
export const clock = { aheadMs: Date.parse(content.dataset.now) - Date.now() };

export function countDown() {
  const now = Date.now() + clock.aheadMs;
  for (const left of document.querySelectorAll(".left")) {
    if (!left.dataset.answered) continue; // the clock of a grant starts with the answer
    const talked = Math.floor((now - Date.parse(left.dataset.answered)) / 1_000);
    const seconds = Math.max(0, Number(left.dataset.granted) - Math.max(0, talked));
    left.querySelector("progress").value = seconds;
    left.querySelector("b").textContent = seconds.toLocaleString("en");
    left.classList.toggle("low", seconds <= LOW_S);
  }
}

countDown();
setInterval(countDown, 1_000);

const here = document.querySelector(".side [aria-current]");
const menu = document.querySelector(".side nav");
if (here && menu.scrollWidth > menu.clientWidth) menu.scrollLeft = here.offsetLeft - menu.clientWidth / 2 + here.offsetWidth / 2;
document.querySelector("[aria-invalid='true']")?.focus();

// What is still being made: asked for again until it is whole, in its place, unless somebody is at work in it.
const AGAIN_MS = 3_000;
async function askAgain() {
  const page = await fetch(location.href).then((reply) => (reply.ok ? reply.text() : ""), () => "");
  const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("#content");
  if (fresh && !content.matches(":focus-within")) {
    content.replaceChildren(...fresh.childNodes);
    localise(content);
  }
  if (content.querySelector("[data-again]")) setTimeout(askAgain, AGAIN_MS);
}
if (content.querySelector("[data-again]")) setTimeout(askAgain, AGAIN_MS);

// A link that can be shared: the page's own address.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy || location.href);
    button.textContent = "Copied";
  });
}

// Filters that say nothing stand in no URL, so that a link that is shared says what it shows and no more.
document.addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name, value);
});
