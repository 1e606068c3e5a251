// The live board of one run. Everything that comes from plans, tags and hostnames is set as text, never as HTML.
{% include "exchange.js" %}
const POLL_MS = 3000, SLOW_POLL_MS = 15000, ORDER_MS = 60000;
const here = location.pathname.replace(/\/+$/, "");
const cut = here.lastIndexOf("/runs/");
const reports = `${here.slice(0, cut)}/reports/${here.slice(cut + "/runs/".length)}`;
// Sign, words and tone of every state, by its word in the board.
const STATES = {{ states | tojson }};
const [RUNS, WAVES, SERVERS, STEPS] = [STATES.run, STATES.wave, STATES.server, STATES.step];
const TO_COME = ["waiting", "running", "waiting_for_answer", "not_started"];
const runPath = `/dags/${here.slice(cut + "/runs/".length).replace("/", "/runs/")}`;
const element = (id) => document.getElementById(id);
function make(tag, text, ...classes) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.classList.add(...classes.filter(Boolean));
  return made;
}
function duration(from, to) {
  const seconds = Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return h ? `${h}h ${String(m).padStart(2, "0")}m` : m ? `${m}m ${String(s).padStart(2, "0")}s` : `${s} s`;
}
function span(seconds) { return duration(0, Math.round(seconds) * 1000); }
function keyed(made, ...parts) { made.dataset.key = parts.map((part) => part ?? "").join("|"); return made; }
function plural(count, noun) { return `${count} ${noun}${count === 1 ? "" : "s"}`; }

function stepRow(step, now) {
  const [sign, meaning, tone] = STEPS[step.status], row = make("li", "", tone), words = make("span", "", "what");
  const summary = step.summary || meaning;
  words.append(make("b", step.name), make("code", step.kind || "", "soft"));
  if (step.path) {
    const link = make("a", "its run");
    link.href = airflow + step.path;
    link.dataset.airflow = "";
    words.append(link);
  }
  if (step.started_at && step.task) words.append(placeLink({ title: "log", path: `${runPath}/tasks/${encodeURIComponent(step.task)}` }));
  row.append(make("span", sign, "sign"), words, make("span", step.status === "tolerated" ? `${summary} · the plan continues` : summary, "said", "text"));
  if (step.started_at) row.append(make("span", duration(step.started_at, step.ended_at || now), "took", "soft"));
  row.setAttribute("aria-label", `step ${step.name}: ${meaning}`);
  return row;
}
function stepList(steps, title, now) {
  const list = make("ol", "", "steps");
  list.setAttribute("aria-label", title);
  list.append(...steps.map((step) => stepRow(step, now)));
  return list;
}
function stepCards(steps, title, now) {
  if (!steps.length) return [];
  const card = keyed(make("article", "", "card"), "steps", title);
  card.append(make("h2", title), stepList(steps, title, now));
  return [card];
}

function stageCards(title, [sign, words, tone], tasks, now) {
  if (!tasks.length) return [];
  const card = keyed(make("article", "", "card", "stage"), "stage", title), head = make("div", "", "row");
  head.append(make("h2", title));
  if (words) head.append(make("span", `${sign} ${words}`, "chip", tone));
  card.append(head, stepList(tasks, `Tasks: ${title}`, now));
  return [card];
}
function causeView(board) {
  if (!board.cause) return [];
  const why = make("p", "", "text");
  why.append(make("b", `First cause: ${board.cause.who}: `), document.createTextNode(board.cause.reason));
  return board.cause.next_step ? [why, make("p", `Next step: ${board.cause.next_step}`, "text", "small")] : [why];
}
// Now, next, and for whom the run waits: what somebody wants to know who opens the page.
function activityView({ activity, is_over }) {
  if (is_over) return [];
  const column = (title, lines, none, ...classes) => {
    const made = make("div", "", ...classes), list = make("ul", "");
    list.append(...(lines.length ? lines : [none]).map((line) => make("li", line, "text")));
    made.append(make("h3", title), list);
    return made;
  };
  return [
    column("Now", activity.now, "nothing is under way"),
    column("Next", activity.next, "nothing"),
    column("Waiting for", activity.waits, "nobody", activity.waits.length ? "asked" : ""),
  ];
}
function rtoView(rto) {
  if (!rto) return [];
  const { target_seconds: target, so_far_seconds: taken, expected_seconds: expected } = rto, late = target !== null && taken > target;
  const line = make("p", "", "small"), whole = Math.max(taken, target || 0, expected || 0) || 1;
  line.append(make("b", `${rto.is_there ? "RTO" : "RTO so far"} ${span(taken)}`));
  line.append(document.createTextNode(target === null ? (rto.is_known ? " · the plan sets no objective" : "") : ` of ${span(target)} objective`));
  if (late) line.append(make("b", rto.is_there ? " · missed" : " · the objective is missed", "error"));
  if (expected !== null) line.append(document.createTextNode(` · the service is expected after about ${span(expected)}`));
  const bar = make("div", "", "bar", "rto"), part = make("i", "", late ? "failed" : rto.is_there ? "launched" : "launching");
  bar.setAttribute("aria-hidden", "true");
  part.style.width = `${(taken / whole) * 100}%`;
  bar.append(part);
  for (const [at, kind] of [[target, "target"], [expected, "expected"]]) {
    if (at === null) continue;
    const mark = make("b", "", kind);
    mark.style.left = `${Math.min((at / whole) * 100, 99.7)}%`;
    bar.append(mark);
  }
  const from = expected !== null ? [make("p", `Estimate from ${rto.expected_from}, without the time that people take.`, "small", "soft")] : [];
  return [line, bar, ...from];
}
function keptView(kept, now) {
  if (!kept) return [];
  const card = keyed(make("article", "", "card", "question"), "kept"), head = make("div", "", "row");
  head.append(make("h2", "The drill is kept for people"), make("span", "? kept", "chip", "warn"));
  const left = new Date(kept.until) > new Date(now) ? ` (${duration(now, kept.until)} left)` : "";
  const times = kept.extended ? ` · extended ${kept.extended} ${kept.extended === 1 ? "time" : "times"}` : "";
  const link = make("a", "End or extend it in Airflow", "button");
  link.href = airflow + kept.path;
  link.dataset.airflow = "";
  card.append(head, make("p", `until ${clock(kept.until)}${left}${times}; then it is cleaned up`, "small", "soft"), ...offersOf(({ verb }) => verb === "end" || verb === "extend"), link);
  return [card];
}
function nextView(board) {
  if (!board.next_steps.length) return [];
  const card = keyed(make("article", "", "card"), "next"), list = make("ul", "", "small");
  card.append(make("h2", "What comes next"));
  for (const step of board.next_steps) list.append(make("li", step, "text"));
  card.append(list);
  const commit = board.commit;
  if (!commit) return [card];
  if (commit.refused) card.append(make("p", commit.refused, "text", "small", "error"));
  for (const reason of commit.against) card.append(make("p", `against a roll back: ${reason}`, "text", "small"));
  return [card];
}

function placeLink({ title, path, address }) {
  const link = make("a", title);
  link.href = path ? airflow + path : address;
  link.dataset[path ? "airflow" : "outside"] = "";
  return link;
}
// Server by server, once somebody wants it: a wave may have thousands, and the board is drawn anew every few seconds.
const openTables = new Set();
function serverTable(wave) {
  const details = make("details", "", "more"), place = make("div", "", "wide");
  details.append(make("summary", "Server by server"), place);
  details.open = openTables.has(wave.name);
  if (details.open) {
    const table = make("table"), head = make("tr"), body = make("tbody"), top = make("thead");
    head.append(...["Server", "Status", "DRS", "Job", "Instance", "Why"].map((words) => make("th", words)));
    top.append(head);
    for (const server of wave.servers) {
      const row = make("tr"), name = make("td"), id = make("code", server.server_id);
      name.append(make("b", server.hostname), make("br"), id);
      row.append(name, ...[`${SERVERS[server.status][0]} ${SERVERS[server.status][1]}`, server.phase, server.job_id, server.instance_id, server.reason].map((text) => make("td", text || "", "text")));
      body.append(row);
    }
    table.append(top, body);
    place.append(table);
  }
  details.addEventListener("toggle", () => {
    if (details.open === openTables.has(wave.name)) return;
    if (details.open) openTables.add(wave.name); else openTables.delete(wave.name);
    showAgain();
  });
  return details;
}

// What may be done, for those who may do it: a question first, with what it means in words and room for the reason.
let rights = null, offers = [], chosen = null;
function offersOf(wanted) {
  const shown = offers.filter((offer) => rights?.[offer.right] && wanted(offer));
  if (!shown.length) return [];
  const place = keyed(make("div", "", "steer"), "steer");
  for (const offer of shown) {
    const button = keyed(make("button", offer.title, offer.is_grave ? "grave" : ""), "offer", offer.verb, offer.wave, offer.task, offer.option, offer.by);
    button.type = "button";
    place.append(button);
  }
  return [place];
}
// One listener for all of them: a button stays while the board around it is drawn anew, and what it offers is looked up.
document.addEventListener("click", (event) => {
  const key = keyOf(event.target.closest?.("button[data-key]"));
  const offer = key && offers.find(({ verb, wave, task, option, by }) => key === ["offer", verb, wave, task, option, by].map((part) => part ?? "").join("|"));
  if (offer) askFirst(offer);
});
function askFirst(offer) {
  chosen = offer;
  element("sure-title").textContent = offer.title;
  element("sure-effect").textContent = `What it means: ${offer.effect}`;
  element("sure-failback").hidden = !offer.stops_failback;
  element("sure-failback").querySelector("span").textContent = `End failbacks too. ${offer.stops_failback}`;
  element("sure-stops").checked = false;
  element("sure-why").textContent = offer.reason === "must" ? "Reason (shown in the report)" : "Reason, if you like (shown in the report)";
  for (const id of ["sure-why", "sure-reason"]) element(id).hidden = offer.reason === "none";
  element("sure-reason").value = element("sure-problem").textContent = "";
  element("sure-yes").textContent = offer.title;
  element("sure-yes").className = offer.is_grave ? "grave" : "";
  element("sure-yes").disabled = false;
  element("sure").showModal();
}
function orderOf({ verb, wave, task, option, by }, reason) {
  switch (verb) {
    case "cancel": return { reason, stop_failback: element("sure-stops").checked };
    case "answer": return { option, task, comment: reason };
    case "extend": return { by };
    case "skip": case "retry": case "continue": return { wave, reason };
    default: return null;
  }
}
async function doIt() {
  const reason = element("sure-reason").value.trim() || null, { verb, reason: wants } = chosen;
  if (wants === "must" && !reason) { element("sure-problem").textContent = "Say why: the report shows it."; return; }
  element("sure-yes").disabled = true;
  const [dag, run] = here.slice(cut + "/runs/".length).split("/"), order = orderOf(chosen, reason);
  const route = verb === "resume" ? `${dag}/resume` : `${dag}/${run}/${verb}`;
  try {
    const body = order ? { body: JSON.stringify(order), headers: { "Content-Type": "application/json" } } : {};
    const answer = await fetch(`${here.slice(0, cut)}/api/v1/runs/${route}`, { method: "POST", cache: "no-store", ...body });
    const found = await answer.json();
    if (!answer.ok) throw new Error([found.detail, ...(found.errors || []).map((error) => error.what)].filter(Boolean).join("; "));
    element("steered").textContent = [found.message, ...(found.warnings || [])].join(". ");
    element("sure").close();
    etag = "";
    hurryUntil = Date.now() + ORDER_MS;
    refresh();
  } catch (error) {
    element("sure-problem").textContent = `Not done: ${error.message}`;
    element("sure-yes").disabled = false;
  }
}
for (const [id, wants] of [["show-board", true], ["show-report", false]]) {
  element(id).addEventListener("click", (event) => {
    event.preventDefault();
    wantsBoard = wants;
    placeReport();
    element(wants ? "show-report" : "show-board").focus();
  });
}
element("sure-no").addEventListener("click", () => element("sure").close());
element("sure-yes").addEventListener("click", doIt);
async function askForRights() {
  try {
    const answer = await fetch(`${here}/rights`, { cache: "no-store" });
    if (answer.ok) rights = await answer.json();
  } catch { /* then nothing is offered */ }
}
function eventsView(events) {
  if (!events.length) return [];
  const details = make("details", "", "card"), list = make("ol", "", "story");
  details.open = element("events").querySelector("details")?.open ?? false;
  details.append(make("summary", `What has happened (${events.length})`), list);
  for (const event of [...events].reverse()) {
    const row = make("li"), time = make("time", clock(event.at));
    time.dateTime = event.at;
    row.append(time, make("span", event.who && !event.what.includes(event.who) ? `${event.what}, by ${event.who}` : event.what, "text", event.is_bad ? "bad" : ""));
    list.append(row);
  }
  return [details];
}

function waveCard(wave, now) {
  const card = keyed(make("article", "", "card"), "wave", wave.name), head = make("div", "", "row"), [sign, words, tone] = WAVES[wave.status];
  const total = wave.servers.length, launched = wave.counts.launched || 0, failed = wave.counts.failed || 0, stuck = wave.counts.stuck || 0;
  head.append(make("h2", wave.name), make("span", `${sign} ${words}`, "chip", tone));
  const steps = [...wave.before, ...wave.after], over = steps.filter((step) => !TO_COME.includes(step.status));
  const there = wave.goes_back ? `${wave.counts.ready || 0} of ${plural(total, "server")} ready` : `${launched} of ${plural(total, "server")} launched`;
  const facts = [!wave.has_servers ? "launches nothing" : total ? there : "servers not resolved yet"];
  if (steps.length) facts.push(`${over.length} of ${plural(steps.length, "step")} done`);
  if (failed) facts.push(`${failed} failed`);
  if (stuck) facts.push(`${stuck} stuck`);
  if (wave.jobs.length) facts.push(plural(wave.jobs.length, "job"));
  if (wave.counts.prepared) facts.push(`${wave.counts.prepared} launched ahead`);
  if (wave.phase) facts.push(wave.starts ? `instances: ${wave.phase}` : `DRS: ${wave.phase}`);
  if (wave.started_at) facts.push(`${duration(wave.started_at, wave.ended_at || now)}${wave.expected_seconds ? ` of about ${span(wave.expected_seconds)}` : ""}`);
  facts.push(wave.depends_on.length ? `after ${wave.depends_on.join(", ")}` : "starts at once");
  card.append(head, make("p", facts.join(" · "), "soft", "small"));
  if (wave.points) {
    const { servers, oldest, newest } = wave.points;
    const when = oldest === newest ? clock(oldest) : `${clock(oldest)} to ${clock(newest)}`;
    card.append(make("p", `${plural(servers, "server")} pinned to recovery points of ${when}`, "soft", "small"));
  }
  if (wave.waits) card.append(make("p", wave.waits, "text", "small"));
  if (wave.reason) card.append(make("p", wave.reason, "text", "small", "error"));
  if (wave.before.length) card.append(stepList(wave.before, `Steps before wave ${wave.name}`, now));
  if (total) {
    const bar = make("div", "", "bar");
    bar.setAttribute("aria-hidden", "true");
    for (const status of ["launched", "ready", "failed", "stuck", "launching", "copying", "prepared"]) {
      const part = make("i", "", status);
      part.style.width = `${((wave.counts[status] || 0) / total) * 100}%`;
      bar.append(part);
    }
    const list = make("ul", "", "servers");
    list.setAttribute("aria-label", `Servers of wave ${wave.name}`);
    for (const server of wave.servers) {
      const why = server.status === "failed" ? `: ${server.reason || "DRS gave no reason"}` : wave.goes_back && server.reason ? `: ${server.reason}` : "";
      const item = make("li", `${SERVERS[server.status][0]} ${server.hostname}${why}`, server.status);
      if (server.phase) item.append(make("span", server.phase, "phase"));
      item.title = `${server.hostname} (${server.server_id}): ${SERVERS[server.status][1]}${server.phase ? `, ${server.phase}` : ""}${server.instance_id ? ` as ${server.instance_id}` : ""}`;
      list.append(item);
    }
    card.append(bar, list, serverTable(wave));
  }
  card.append(...offersOf((offer) => offer.wave === wave.name && offer.verb !== "answer"));
  if (wave.places.length) {
    const places = make("p", "", "places", "small");
    places.append(make("span", "Look further:", "soft"), ...wave.places.map(placeLink));
    card.append(places);
  }
  if (wave.after.length) card.append(stepList(wave.after, `Steps after wave ${wave.name}`, now));
  return card;
}

function clock(at) { return new Date(at).toISOString().replace("T", " ").slice(0, 19) + " UTC"; }
// Airflow may live under a path, and that may be /drs itself: the board's own address says which, as everything before its
// last /drs/runs/. What follows that is DAG and run, in which every slash is written as %2F.
const airflow = location.pathname.slice(0, Math.max(location.pathname.lastIndexOf("/drs/runs/"), 0));
function questionCard(question, now) {
  const card = keyed(make("article", "", "card", "question"), "question", question.task), head = make("div", "", "row");
  head.append(make("h2", question.subject), make("span", { pause: "? paused", commit: "? commit or roll back" }[question.kind] || "? waiting for approval", "chip", "warn"));
  const left = new Date(question.until) - new Date(now);
  const facts = [
    `approvers: ${question.people.length ? question.people.join(", ") : "anyone who may answer"}`,
    ...(question.agreed.length ? [`approved so far: ${question.agreed.join(", ")}`] : []),
    `since ${clock(question.since)} (${duration(question.since, now)})`,
    left > 0 ? `until ${clock(question.until)} (${duration(now, question.until)} left)` : `the time was over at ${clock(question.until)}`,
  ];
  card.append(head);
  // The text for messages ends with the subject, which stands above here.
  const [text] = (question.text || "").split(` (${question.subject}`);
  if (text && text !== question.subject) card.append(make("p", text, "text", "asks"));
  card.append(make("p", facts.join(" · "), "text", "small", "soft"));
  if (question.otherwise) card.append(make("p", `Without an answer ${question.otherwise}.`, "small", "soft"));
  const link = make("a", question.options.length ? `Read all of it and answer in Airflow: ${question.options.join(" or ")}` : "Read and answer in Airflow", "button");
  link.href = airflow + question.path;
  link.dataset.airflow = "";
  card.append(...offersOf((offer) => offer.task === question.task), link);
  return card;
}

function findingCard(finding) {
  const card = make("article", "", "card");
  card.append(make("span", finding.severity, "chip", finding.severity === "warning" ? "warn" : "bad"));
  const names = finding.names.length > 1 ? `${finding.names.length} servers` : finding.names[0];
  card.append(make("p", [names, finding.what].filter(Boolean).join(": "), "text"));
  if (finding.next_step) card.append(make("p", finding.next_step, "text", "soft", "small"));
  if (finding.names.length > 1) card.append(make("p", finding.names.join(", "), "text", "soft", "small"));
  return card;
}
// What was edited is no finding of preflight: nobody believes it, and somebody should ask who wrote it.
function editedView(edited) {
  const cards = edited.map(({ place, reason, next_step }) => findingCard({ severity: "warning", names: ["not believed"], what: `${place}: ${reason}`, next_step }));
  return folded("edited", cards, `${plural(cards.length, "record")} of this run not believed`, true);
}
// A disaster has a hundred findings, of few kinds: each kind is one card, and many cards leave the waves in sight.
const MOST_CARDS = 5;
function findingsView(findings) {
  const kinds = new Map();
  for (const finding of findings) {
    const key = JSON.stringify([finding.severity, finding.what, finding.next_step]);
    const names = [finding.hostname || finding.server_id].filter(Boolean);
    if (kinds.has(key)) kinds.get(key).names.push(...names);
    else kinds.set(key, { ...finding, names });
  }
  const cards = [...kinds.values()].map(findingCard);
  return folded("findings", cards, `Preflight found ${plural(findings.length, "thing")}`, findings.some((finding) => finding.severity === "refusal"));
}
function folded(id, cards, summary, isOpen) {
  if (cards.length <= MOST_CARDS) return cards;
  const details = make("details", "", "card");
  details.open = element(id).querySelector("details")?.open ?? isOpen;
  details.append(make("summary", summary), ...cards);
  return [details];
}

function show(board) {
  const [sign, words, tone] = board.is_plan ? RUNS[board.status] : ["", board.airflow_state, ""];
  const isEnding = board.cancelled && !board.is_over;
  element("state").textContent = isEnding ? `■ cancelled, ${words}` : `${sign} ${words}`.trim();
  element("state").className = `chip ${isEnding ? "warn" : tone}`;
  if (!board.is_plan) {
    element("line").textContent = "This DAG is no recovery plan: there is nothing to show here.";
    return;
  }
  element("title").textContent = board.title;
  offers = board.offers;
  exchange(element("steer"), offersOf((offer) => !offer.wave && !offer.task).flatMap((place) => [...place.childNodes]));
  exchange(element("events"), eventsView(board.events));
  const parts = [`preflight ${STATES.preflight[board.preflight][1]}`];
  if (!board.mode) parts.unshift("mode not read yet");
  if (board.started_at && !board.is_over) parts.push(`${duration(board.started_at, board.now)} since the start`);
  if (board.installation) parts.push(`Airflow installation ${board.installation}`);
  if (board.cost) parts.push(`${board.cost.is_certain ? "" : "about "}$${board.cost.dollars.toFixed(2)} estimated`);
  if (!["waiting", "not_run"].includes(board.cleanup)) parts.push(`clean-up ${STATES.cleanup[board.cleanup][1]}`);
  element("line").textContent = parts.join(" · ");
  element("why").textContent = board.cause ? "" : board.reason || "";
  exchange(element("cause"), causeView(board));
  exchange(element("rto"), rtoView(board.rto));
  exchange(element("activity"), activityView(board));
  exchange(element("orders"), board.orders.map((words) => make("p", words, "text", "small")));
  exchange(element("questions"), [
    ...board.questions.map((question) => questionCard(question, board.now)),
    ...keptView(board.kept, board.now),
    ...nextView(board),
  ]);
  exchange(element("edited"), editedView(board.edited));
  exchange(element("findings"), findingsView(board.findings));
  exchange(element("waves"), [
    ...stageCards("Preflight", STATES.preflight[board.preflight], board.preflight_tasks, board.now),
    ...stepCards(board.before, "Before all waves", board.now),
    ...board.waves.map((wave) => waveCard(wave, board.now)),
    ...stepCards(board.after, "After all waves", board.now),
    ...stageCards(...(board.cleans_up ? ["Clean-up and report", STATES.cleanup[board.cleanup]] : [board.commit ? "Commit and report" : "Report", ["", ""]]), board.final_tasks, board.now),
  ]);
}

// The report takes the place of the board of a run that is over, unless somebody wants the board; both lead to each other.
let report = null, wantsBoard = false;
function placeReport() {
  document.body.classList.toggle("has-report", Boolean(report) && !wantsBoard);
  element("to-report").hidden = !report;
}
function dropReport() {
  report?.remove();
  report = null;
  wantsBoard = false;
  placeReport();
}
function takeReport() {
  const frame = document.createElement("iframe");
  frame.title = "Report of the run";
  frame.src = `${reports}/report.html`;
  frame.addEventListener("load", () => {
    const root = frame.contentDocument && frame.contentDocument.documentElement;
    if (!root) return;
    root.dataset.embedded = "";
    themed.push(root);
    applyTheme(root);
    frame.contentDocument.addEventListener("click", followOutside);
  });
  element("as-page").href = `${reports}/report.html`;
  element("as-json").href = `${reports}/report.json`;
  element("report").append(frame);
  report = frame;
  placeReport();
}

// The board as it was sent, and its name: where nothing is new, the server answers with its clock alone, and the page counts on.
let shown = null, etag = "", counted = null;
function countedOn(board, now) {
  if (!now || !board.rto || board.rto.is_there) return { ...board, now: now || board.now };
  const so_far_seconds = board.rto.so_far_seconds + Math.max(0, (new Date(now) - new Date(board.now)) / 1000);
  return { ...board, now, rto: { ...board.rto, so_far_seconds } };
}
function showAgain() { if (counted) show(counted); }
let round = 0, timer = null, hurryUntil = 0;
async function look(mine) {
  const known = shown && etag ? { "If-None-Match": etag } : {};
  const answer = await fetch(`${here}/board`, { cache: "no-store", headers: { Accept: "application/json", ...known } });
  if (!answer.ok && answer.status !== 304) throw new Error(answer.status === 401 ? "you are signed out: load Airflow again" : `Airflow answers ${answer.status}`);
  const board = answer.status === 304 ? shown : await answer.json();
  if (mine !== round) return null;
  if (answer.status !== 304) [shown, etag] = [board, answer.headers.get("ETag") || ""];
  counted = countedOn(shown, answer.headers.get("X-Drs-Now"));
  element("problem").textContent = "";
  show(counted);
  return counted;
}
// One round after the other, for as long as the page is open: a run that is over can be made to go on.
async function refresh() {
  const mine = ++round;
  clearTimeout(timer);
  let wait = POLL_MS;
  try {
    const board = await look(mine);
    if (!board || !board.is_plan) return;
    if (!board.is_over) dropReport();
    else if (board.has_report && !report && (await fetch(`${reports}/report.html`, { method: "HEAD" })).ok && mine === round) takeReport();
    if (board.is_over && Date.now() > hurryUntil) wait = SLOW_POLL_MS;
  } catch (error) {
    if (mine === round) element("problem").textContent = `The board is out of date: ${error.message}. It retries automatically.`;
  }
  if (mine === round) timer = setTimeout(refresh, document.hidden ? SLOW_POLL_MS : wait);
}
askForRights().then(refresh);
