// Looks again, once a second, what has changed; and lets the pad type the number. All else works without this script.

const EVERY_MS = 1000;

for (const key of document.querySelectorAll("[data-key]")) {
  key.addEventListener("click", () => {
    const field = document.querySelector("[data-pad-types]");
    if (!field.dataset.typed) {
      field.value = "";
      field.dataset.typed = "yes";
    }
    field.value += key.dataset.key;
  });
}
document.querySelector("[data-pad-types]")?.addEventListener("input", (event) => {
  event.target.dataset.typed = "yes";
});

async function lookAgain(part) {
  const response = await fetch(`/parts/${part.dataset.part}`, { headers: { accept: "text/html" } });
  if (!response.ok) return;
  const html = await response.text();
  const isInUse = part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  if (html === part.lastHtml || isInUse) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("value") : null;
  part.lastHtml = html;
  part.innerHTML = html;
  if (focused !== null) part.querySelector(`[value="${CSS.escape(focused)}"]`)?.focus();
}

setInterval(() => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-part]")) lookAgain(part).catch(() => {});
}, EVERY_MS);
