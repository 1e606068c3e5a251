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
const EVERY_MS = 30000;
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
document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-point]");
  if (!button) return;
  const said = document.createElement("p");
  said.className = "small";
  said.textContent = "Loading …";
  button.replaceWith(said);
  try {
    const answer = await fetch(`api/v1/source-servers/${encodeURIComponent(button.dataset.point)}`, { cache: "no-store" });
    const found = await answer.json();
    const point = found.newest_recovery_point;
    said.textContent = point ? `Newest recovery point: ${new Date(point).toLocaleString()}` : found.recovery_point_problem || found.detail;
  } catch (error) {
    said.textContent = `Nobody knows: ${error.message}`;
  }
});
