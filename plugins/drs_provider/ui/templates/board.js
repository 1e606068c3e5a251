// The live board of one run. Everything that comes from plans, tags and hostnames is set as text, never as HTML.
const POLL_MS = 3000, SLOW_POLL_MS = 15000;
const here = location.pathname.replace(/\/+$/, "");
const cut = here.lastIndexOf("/runs/");
const reports = `${here.slice(0, cut)}/reports/${here.slice(cut + "/runs/".length)}`;
const WAVES = {
  waiting: ["○ waiting", ""], launching: ["… launching", "busy"], launched: ["✓ launched", "good"],
  completed_with_exceptions: ["! completed with exceptions", "warn"], failed: ["✕ failed", "bad"],
  not_started: ["○ not started", ""], skipped: ["⊖ left out", ""],
};
const SERVERS = { waiting: "○", launching: "…", launched: "✓", failed: "✕" };
const RUNS = { queued: ["○ queued", ""], running: ["… running", "busy"], success: ["✓ ended", "good"], failed: ["✕ failed", "bad"] };
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
function plural(count, noun) { return `${count} ${noun}${count === 1 ? "" : "s"}`; }

function waveCard(wave, now) {
  const card = make("article", "", "card"), head = make("div", "", "row"), [words, tone] = WAVES[wave.state];
  const total = wave.servers.length, launched = wave.counts.launched || 0, failed = wave.counts.failed || 0;
  head.append(make("h2", wave.name), make("span", words, "chip", tone));
  const facts = [total ? `${launched} of ${plural(total, "server")} launched` : "servers not resolved yet"];
  if (failed) facts.push(`${failed} failed`);
  if (wave.jobs.length) facts.push(plural(wave.jobs.length, "job"));
  if (wave.started_at) facts.push(duration(wave.started_at, wave.ended_at || now));
  facts.push(wave.depends_on.length ? `after ${wave.depends_on.join(", ")}` : "starts at once");
  card.append(head, make("p", facts.join(" · "), "soft", "small"));
  if (wave.points) {
    const { servers, oldest, newest } = wave.points;
    const when = oldest === newest ? clock(oldest) : `${clock(oldest)} to ${clock(newest)}`;
    card.append(make("p", `${plural(servers, "server")} pinned to recovery points of ${when}`, "soft", "small"));
  }
  if (wave.error) card.append(make("p", wave.error, "text", "small"));
  if (total) {
    const bar = make("div", "", "bar");
    bar.setAttribute("aria-hidden", "true");
    for (const status of ["launched", "failed", "launching"]) {
      const part = make("i", "", status);
      part.style.width = `${((wave.counts[status] || 0) / total) * 100}%`;
      bar.append(part);
    }
    const list = make("ul", "", "servers");
    list.setAttribute("aria-label", `Servers of wave ${wave.name}`);
    for (const server of wave.servers) {
      const why = server.status === "failed" ? `: ${server.reason || "DRS gave no reason"}` : "";
      const item = make("li", `${SERVERS[server.status]} ${server.hostname}${why}`, server.status);
      item.title = `${server.hostname} (${server.server_id}): ${server.status}${server.instance_id ? ` as ${server.instance_id}` : ""}`;
      list.append(item);
    }
    card.append(bar, list);
  }
  return card;
}

function clock(at) { return new Date(at).toISOString().replace("T", " ").slice(0, 19) + " UTC"; }
// Airflow may live under a path: the board's own address says which, as everything before /drs/.
const airflow = location.pathname.slice(0, Math.max(location.pathname.indexOf("/drs/"), 0));
function questionCard(question, now) {
  const card = make("article", "", "card", "question"), head = make("div", "", "row");
  head.append(make("h2", question.subject), make("span", question.kind === "pause" ? "‖ paused" : "? waits for approval", "chip", "warn"));
  const left = new Date(question.until) - new Date(now);
  const facts = [
    `asked: ${question.people.length ? question.people.join(", ") : "anyone who may answer"}`,
    `since ${clock(question.since)} (${duration(question.since, now)})`,
    left > 0 ? `until ${clock(question.until)} (${duration(now, question.until)} left)` : `the time was over at ${clock(question.until)}`,
  ];
  const link = make("a", "Read and answer in Airflow");
  link.href = airflow + question.path;
  link.target = "_top";
  card.append(head, make("p", facts.join(" · "), "text", "small"), link);
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
  if (cards.length <= MOST_CARDS) return cards;
  const details = make("details", "", "card");
  details.open = element("findings").querySelector("details")?.open ?? findings.some((one) => one.severity === "refusal");
  details.append(make("summary", `Preflight found ${plural(findings.length, "thing")}`), ...cards);
  return [details];
}

function show(board) {
  const [words, tone] = RUNS[board.state] || [board.state, ""];
  element("state").textContent = words;
  element("state").className = `chip ${tone}`;
  if (!board.is_plan) {
    element("line").textContent = "This DAG is no recovery plan: there is nothing to show here.";
    return;
  }
  const parts = [board.mode || "mode not read yet", `preflight ${board.preflight}`];
  if (board.started_at && !board.is_over) parts.push(`${duration(board.started_at, board.now)} since the start`);
  if (board.cleanup) parts.push(`clean-up ${board.cleanup.replaceAll("_", " ")}`);
  if (board.is_over && !board.has_report) parts.push("the run ended without a report: see the log of finish.report");
  element("line").textContent = parts.join(" · ");
  element("why").textContent = board.why || "";
  element("orders").replaceChildren(...board.orders.map((words) => make("p", words, "text", "small")));
  element("questions").replaceChildren(...board.questions.map((question) => questionCard(question, board.now)));
  if (board.questions.length) {
    const paused = board.questions.every((question) => question.kind === "pause");
    element("state").textContent = paused ? "‖ paused" : "? waits for people";
    element("state").className = "chip warn";
  } else if (board.orders.some((words) => words.startsWith("cancelled")) && !board.is_over) {
    element("state").textContent = "⊘ cancelled, ending";
    element("state").className = "chip warn";
  }
  element("findings").replaceChildren(...findingsView(board.findings));
  element("waves").replaceChildren(...board.waves.map((wave) => waveCard(wave, board.now)));
}

function showReport() {
  const frame = document.createElement("iframe");
  frame.title = "Report of the run";
  frame.src = `${reports}/report.html`;
  frame.addEventListener("load", () => {
    const root = frame.contentDocument && frame.contentDocument.documentElement;
    if (!root) return;
    root.dataset.embedded = "";
    themed.push(root);
    applyTheme(root);
  });
  element("as-page").href = `${reports}/report.html`;
  element("as-json").href = `${reports}/report.json`;
  element("report").append(frame);
  document.body.classList.add("has-report");
}

async function refresh() {
  let wait = POLL_MS;
  try {
    const answer = await fetch(`${here}/board`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status === 401 ? "you are signed out: load Airflow again" : `Airflow answers ${answer.status}`);
    const board = await answer.json();
    element("problem").textContent = "";
    show(board);
    if (board.has_report && (await fetch(`${reports}/report.html`, { method: "HEAD" })).ok) { showReport(); return; }
    if (!board.is_plan) return;
    if (board.is_over) wait = SLOW_POLL_MS;
  } catch (error) {
    element("problem").textContent = `The board is out of date: ${error.message}. It asks again by itself.`;
  }
  setTimeout(refresh, document.hidden ? SLOW_POLL_MS : wait);
}
refresh();
