// The browser's own words: its time zone, its digits. The server writes UTC and English digits; this puts ours in place.

const shorter = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const sample = new Intl.NumberFormat(undefined).formatToParts(-1234567.8);
const sign = (type, otherwise) => sample.find((part) => part.type === type)?.value ?? otherwise;
const marks = { ",": sign("group", ""), ".": sign("decimal", "."), "-": sign("minusSign", "-") };
const isSame = Object.entries(marks).every(([written, wanted]) => written === wanted);

export function localise(root) {
  showTimes(root);
  if (!isSame) showAmounts(root);
}

function showTimes(root) {
  const now = new Date();
  const today = now.toDateString();
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (time.hasAttribute("data-axis")) continue;
    const isLong = time.hasAttribute("data-long") || at.toDateString() !== today;
    const day = { day: "numeric", month: "short", ...(at.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }) };
    time.textContent = at.toLocaleString(undefined, isLong ? { ...shorter, ...day } : shorter);
  }
  for (const axis of root.querySelectorAll(".along")) showAxis([...axis.querySelectorAll("time")]);
  for (const zone of root.querySelectorAll(".zone")) {
    const named = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts(new Date());
    zone.textContent = named.find((piece) => piece.type === "timeZoneName").value;
  }
}

// Labels say as little as tells them apart: seconds within minutes, hours within a day, else days.
function showAxis(times) {
  if (times.length < 2) return;
  const spanMs = Date.parse(times.at(-1).dateTime) - Date.parse(times[0].dateTime);
  const dayMs = 86_400_000;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const form = spanMs < 600_000 ? shorter : spanMs <= dayMs ? clock : spanMs < 4 * dayMs ? { ...clock, day: "numeric", month: "short" } : { day: "numeric", month: "short" };
  for (const time of times) time.textContent = new Date(time.dateTime).toLocaleString(undefined, form);
}

// Only the marks between digits change: the digits are the server's, to the last one.
function showAmounts(root) {
  for (const amount of root.querySelectorAll(".amount data:not([data-said])")) {
    amount.dataset.said = "";
    amount.textContent = amount.textContent.replace(/[,.-]/g, (mark) => marks[mark]);
  }
}

localise(document);
