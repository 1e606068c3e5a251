"use strict";
{% include "plan_graph.js" %}
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
const holder = document.getElementById("graph");
const outlook = holder ? JSON.parse(holder.dataset.outlook) : null;
function draw(launch) {
  const mode = outlook.modes.find((found) => found.launch === launch);
  const waves = outlook.rows.flat().map((name) => ({
    name, lines: [`${outlook.servers[name]} server${outlook.servers[name] === 1 ? "" : "s"}`, `ready after ~${timeWords(mode.ends[name])}`],
  }));
  drawGraph(holder, waves, outlook.depends_on, { path: mode.critical_path });
}
if (outlook) {
  const buttons = document.querySelectorAll("button[data-launch]");
  const choose = (launch) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.launch === launch));
    draw(launch);
  };
  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.launch));
  choose((outlook.modes.find((mode) => mode.is_chosen) || outlook.modes[0]).launch);
}
const saved = document.getElementById("saved");
try {
  const text = sessionStorage.getItem("drs-plan-saved");
  sessionStorage.removeItem("drs-plan-saved");
  if (text && saved) { saved.textContent = text; saved.hidden = false; }
} catch { /* without it the page says the same, a moment later */ }
