"use strict";
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}
localTimes(document);
const path = `api/v1/source-servers/${encodeURIComponent(document.getElementById("server").dataset.id)}`;
function made(tag, text, ...classes) {
  const part = document.createElement(tag);
  if (text) part.textContent = text;
  part.dir = "auto";
  part.classList.add(...classes.filter(Boolean));
  return part;
}
function table(heads, rows) {
  const whole = made("table"), head = made("tr"), body = made("tbody");
  head.append(...heads.map((words) => made("th", words)));
  body.append(...rows);
  const top = made("thead");
  top.append(head);
  whole.append(top, body);
  return whole;
}
function row(cells, ...classes) {
  const line = made("tr", "", ...classes);
  line.append(...cells.map((text) => made("td", text)));
  return line;
}
// Everything that costs a call to AWS is asked once the page is there: nobody waits for it.
async function fill(id, route, draw) {
  const place = document.getElementById(id);
  try {
    const answer = await fetch(`${path}/${route}`, { cache: "no-store" });
    const found = await answer.json();
    place.replaceChildren(...(answer.ok ? draw(found) : [made("p", `Not known: ${found.detail}`, "bad-text")]));
  } catch (error) {
    place.replaceChildren(made("p", `Not known: ${error.message}. Load the page again.`, "bad-text"));
  }
}
fill("points", "recovery-points", ({ points, problem }) => {
  if (problem) return [made("p", problem, "bad-text")];
  const line = (point) => row([new Date(point.at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" }), point.snapshot_id]);
  return [made("p", `${points.length} newest, the newest first`, "soft"), table(["Point in time", "Snapshot"], points.map(line))];
});
fill("launch", "launch-settings", ({ settings, findings, template }) => {
  const differ = settings.filter((line) => line.differs).length;
  const words = differ ? `${differ} of these differ from the group's file: a recovery sets them before it launches.` : "AWS has what the group's file says.";
  const said = findings.map((finding) => made("p", `${finding.severity}: ${finding.what}; ${finding.next_step}`, finding.severity === "refusal" ? "bad-text" : "soft"));
  const lines = settings.map((line) => row([line.field.replaceAll("_", " "), line.now, line.recovery || "as it is", line.drill || "as it is"], line.differs ? "differs" : ""));
  return [made("p", `${words}${template ? ` Launch template ${template}.` : ""}`), ...said, table(["Setting", "In AWS now", "In a recovery", "In a drill"], lines)];
});
