"use strict";
// Times in the reader's own time zone; without script they stay in UTC.
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}
localTimes(document);
const EVERY_MS = 1000 * (Number(document.getElementById("live").dataset.every) || 30);
// Nobody loses what they type or have opened: then the list is exchanged later.
function isBusy() {
  const live = document.getElementById("live");
  return document.hidden || live.contains(document.activeElement) || live.querySelector("details[open]") !== null;
}
async function refresh() {
  if (isBusy()) return;
  const problem = document.getElementById("problem");
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status === 401 ? "you are signed out: load Airflow again" : `Airflow answers ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const live = page.getElementById("live");
    if (!live || isBusy()) return;
    localTimes(live);
    document.getElementById("live").replaceWith(document.adoptNode(live));
    problem.textContent = "";
  } catch (error) {
    problem.textContent = `The list is out of date: ${error.message}. It retries automatically.`;
  }
}
setInterval(refresh, EVERY_MS);
// Which columns somebody wants is kept in their browser: the address has it only once they have chosen.
const KEY = "drs-server-columns";
function keptColumns() {
  try { return JSON.parse(localStorage.getItem(KEY) || "[]"); } catch { return []; }
}
function keepColumns(names) {
  try { localStorage.setItem(KEY, JSON.stringify(names)); } catch { /* then only the address has them */ }
}
document.addEventListener("submit", (event) => {
  if (event.target.id === "columns") keepColumns(new FormData(event.target).getAll("columns"));
});
document.addEventListener("click", (event) => {
  if (event.target.id !== "usual-columns") return;
  keepColumns([]);
  const url = new URL(location.href);
  url.searchParams.delete("columns");
  location.assign(url);
});
if (document.getElementById("columns") && !new URL(location.href).searchParams.has("columns") && keptColumns().length) {
  const url = new URL(location.href);
  for (const name of keptColumns()) url.searchParams.append("columns", name);
  location.replace(url);
}
