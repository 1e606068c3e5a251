"use strict";
{% include "plan_graph.js" %}
{% include "plan_fields.js" %}
const page = document.getElementById("plan-editor");
const forms = JSON.parse(page.dataset.forms);
const groups = JSON.parse(page.dataset.groups);
const element = (id) => document.getElementById(id);
const before = JSON.parse(page.dataset.definition);
let wanted = structuredClone(before);
let chosen = 0;
let outlook = null;
let problems = [];
let isSaved = false;
const undone = [];
if (!page.dataset.name) Object.assign(wanted, { kind: "RecoveryPlan", waves: [] });
if (!Array.isArray(wanted.waves)) wanted.waves = [];

function part(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
function button(words, act, attributes = {}) {
  const made = part("button", words, { type: "button", ...attributes });
  made.addEventListener("click", act);
  return made;
}
function say(holder, ...lines) {
  holder.replaceChildren(...lines.map((line) => {
    const made = part(line.tag || "p", line.text ?? line, { dir: "auto" });
    if (line.bad) made.className = "bad-text";
    return made;
  }));
}
async function ask(method, path, body, headers = {}, signal = undefined) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
  const answer = await fetch(`api/v1/${path}`, { method, cache: "no-store", headers, signal, ...json });
  const found = await answer.json();
  return { status: answer.status, ok: answer.ok, found };
}
function refused(found) {
  return [{ text: found.detail, bad: true }, ...(found.errors || []).map((error) => ({ text: `${error.where}: ${error.what}${error.hint ? ` (${error.hint})` : ""}`, bad: true }))];
}
function waveName(wave, position) {
  return wave && typeof wave === "object" && typeof wave.name === "string" && wave.name ? wave.name : `wave ${position + 1}`;
}
function names() { return wanted.waves.map(waveName); }
function dependencies() {
  return Object.fromEntries(wanted.waves.map((wave, position) => [
    waveName(wave, position), Array.isArray(wave.depends_on) ? wave.depends_on.map(String) : position ? [names()[position - 1]] : [],
  ]));
}
// What is done to the definition can be undone; typing in one field is one change.
let lastKey = "";
function remember(key = "") {
  if (key && key === lastKey) return;
  lastKey = key;
  undone.push({ text: JSON.stringify(wanted), chosen });
  if (undone.length > 100) undone.shift();
  element("undo").disabled = false;
}
function changed(isShape = true) {
  if (isShape) show();
  else showGraph();
  later();
}
function countOf(wave) {
  return (Array.isArray(wave.groups) ? wave.groups : []).reduce((sum, name) => sum + (groups.find((group) => group.name === name)?.servers || 0), 0);
}
function showGraph() {
  const mode = outlook?.modes.find((found) => found.is_chosen) || outlook?.modes[0];
  const bad = new Set(problems.map((problem) => waveOf(problem)).filter((name) => name !== null));
  const waves = wanted.waves.map((wave, position) => {
    const name = waveName(wave, position);
    const count = countOf(wave);
    const asks = wave.pause_before ? ", asks first" : "";
    const steps = (wave.before?.length || 0) + (wave.after?.length || 0);
    return { name, mark: bad.has(name), lines: [`${count} server${count === 1 ? "" : "s"}${steps ? `, ${steps} step${steps === 1 ? "" : "s"}` : ""}${asks}`, mode && mode.ends[name] !== undefined ? `ready after ~${timeWords(mode.ends[name])}` : ""] };
  });
  if (!waves.length) { element("graph").replaceChildren(part("p", "There is no wave yet: add one.", { class: "soft" })); return; }
  drawGraph(element("graph"), waves, dependencies(), { path: mode?.critical_path || [], chosen: names()[chosen] ?? null, onChoose: choose });
}
function choose(name) {
  chosen = Math.max(0, names().indexOf(name));
  show();
}
// A problem says "file:line:column: waves.NAME.field".
function waveOf(problem) {
  const where = problem.where.replace(/^.*?:\d+:\d+: /, "");
  if (!where.startsWith("waves")) return null;
  return names().filter((name) => where.startsWith(`waves.${name}`) || where.startsWith(`waves[${names().indexOf(name)}]`)).sort((one, other) => other.length - one.length)[0] ?? null;
}
function showProblems(refusal) {
  const holder = element("problems");
  const broken = [...document.querySelectorAll("[aria-invalid=true]")].map((field) => ({ where: field.dataset.where, what: field.dataset.problem, hint: "" }));
  const all = [...(refusal || []), ...broken, ...problems];
  if (!all.length) { holder.replaceChildren(part("p", "None: this is what drs validate says too.", { class: "small" })); return; }
  const list = part("ul");
  for (const problem of all) {
    const line = part("li", undefined, { dir: "auto" });
    line.append(part("code", problem.where), part("span", `: ${problem.what}${problem.hint ? ` (${problem.hint})` : ""} `, { class: "bad-text" }));
    const name = waveOf(problem);
    if (name !== null) line.append(button(`Show ${name}`, () => { choose(name); element("wave").scrollIntoView({ block: "nearest" }); }));
    list.append(line);
  }
  holder.replaceChildren(list);
}
function showOutlook() {
  const holder = element("outlook");
  if (!outlook) { holder.replaceChildren(part("p", "Nobody can tell before the problems are mended.", { class: "soft small" })); return; }
  holder.replaceChildren(...outlook.modes.map((mode) => {
    const words = mode.launch === "ahead" ? "Launched ahead" : "In waves";
    const made = part("div");
    made.append(part("p", `${words}${mode.is_chosen ? " (as planned)" : ""}: ~${timeWords(mode.seconds)}${mode.is_within_rto === null ? "" : mode.is_within_rto ? ", within the RTO" : ", LONGER than the RTO"}`, mode.is_within_rto === false ? { class: "bad-text" } : {}));
    made.append(part("p", `Critical path: ${mode.critical_path.join(" → ")}`, { class: "small soft", dir: "auto" }));
    for (const quota of mode.quotas) made.append(part("p", `${quota.region || "the connection's Region"}, ${quota.connection}: at most ${quota.servers} of ${quota.servers_quota} servers and ${quota.jobs} of ${quota.jobs_quota} jobs at one moment`, { class: "small soft" }));
    return made;
  }), part("p", "Estimates: DRS jobs, delays, starting instances; steps and people are not counted. Quotas are DRS's defaults.", { class: "small soft" }));
}
// One look at a time: a newer one gives up the one before it, and nothing is exchanged under a finger that presses.
let timer, asked = new AbortController();
function later() { clearTimeout(timer); timer = setTimeout(look, 400); }
async function look() {
  asked.abort();
  const { signal } = asked = new AbortController();
  let refusal = null;
  try {
    const { ok, found } = await ask("POST", "recovery-plans/preview", { definition: definition(), file: fileName() }, {}, signal);
    await released();
    if (signal.aborted) return;
    outlook = ok ? found.outlook : null;
    problems = ok ? found.problems : (found.errors?.length ? found.errors : [{ where: "plan", what: found.detail, hint: "" }]);
  } catch (error) {
    if (signal.aborted) return;
    refusal = [{ where: "server", what: `nobody could look: ${error.message}`, hint: "change something to try again" }];
  }
  keepFocus(() => {
    showProblems(refusal);
    showOutlook();
    showGraph();
  });
}
let isPressed = false, onRelease = [];
function released() { return isPressed ? new Promise((go) => onRelease.push(go)) : Promise.resolve(); }
document.addEventListener("pointerdown", () => { isPressed = true; }, true);
for (const event of ["pointerup", "pointercancel"]) {
  document.addEventListener(event, () => { setTimeout(() => { isPressed = false; for (const go of onRelease.splice(0)) go(); }); }, true);
}
// What is drawn anew takes the focus from what was there: give it back to what says the same in the same place.
function placeOf(node) {
  const set = node.closest("fieldset")?.querySelector("legend")?.textContent ?? node.closest("section")?.id ?? "";
  const step = node.closest("details.step"), steps = step ? [...step.parentNode.querySelectorAll("details.step")].indexOf(step) : "";
  return [set, steps, node.nodeName, node.dataset.where ?? node.getAttribute("aria-label") ?? node.closest("label")?.textContent ?? node.textContent].join("|");
}
function keepFocus(draw) {
  const had = document.activeElement, holder = had?.closest("section[id], #problems, #graph"), place = had && placeOf(had);
  draw();
  if (!holder || document.activeElement === had || holder.id === "graph") return;
  const now = [...document.querySelectorAll(`#${holder.id} :is(a[href], button, input, select, textarea, summary)`)];
  const same = now.find((node) => !node.disabled && placeOf(node) === place);
  (same ?? now.find((node) => !node.disabled))?.focus({ preventScroll: true });
}
function fileName() { return page.dataset.name ? null : element("file").value.trim() || null; }
function definition() {
  if (page.dataset.name) return wanted;
  const whole = { ...wanted, name: element("name").value.trim() };
  return Object.fromEntries(forms.order.filter((key) => key in whole).map((key) => [key, whole[key]]));
}
function freeName(stem) {
  let number = wanted.waves.length + 1;
  while (names().includes(`${stem}-${number}`)) number += 1;
  return `${stem}-${number}`;
}
function addWave() {
  remember();
  wanted.waves.push({ name: freeName("wave"), groups: [] });
  chosen = wanted.waves.length - 1;
  changed();
  element("wave").querySelector("input")?.focus();
}
// Who waited for a wave that goes waits for what that waited for.
function removeWave(position) {
  remember();
  const name = waveName(wanted.waves[position], position);
  const above = dependencies()[name];
  wanted.waves.splice(position, 1);
  for (const wave of wanted.waves) {
    if (!Array.isArray(wave.depends_on) || !wave.depends_on.includes(name)) continue;
    wave.depends_on = [...new Set(wave.depends_on.flatMap((other) => (other === name ? above : [other])))];
  }
  chosen = Math.max(0, Math.min(chosen, wanted.waves.length - 1));
  changed();
}
function moveWave(position, by) {
  const to = position + by;
  if (to < 0 || to >= wanted.waves.length) return;
  remember();
  const [wave] = wanted.waves.splice(position, 1);
  wanted.waves.splice(to, 0, wave);
  chosen = to;
  changed();
}
// Who waits for a wave waits for it by its new name; where two waves have one name nobody can tell for which.
function renameWave(wave, name) {
  remember();
  const old = wave.name;
  const isSure = !names().includes(name) && names().filter((other) => other === old).length === 1;
  wave.name = name;
  for (const other of wanted.waves) {
    if (isSure && Array.isArray(other.depends_on)) other.depends_on = other.depends_on.map((above) => (above === old ? name : above));
  }
  changed(false);
}
function showWave() {
  const holder = element("wave");
  const wave = wanted.waves[chosen];
  if (!wave) { holder.replaceChildren(part("h2", "No wave is chosen")); return; }
  const head = part("div", undefined, { class: "row" });
  head.append(part("h2", `Wave ${chosen + 1} of ${wanted.waves.length}`));
  const tools = part("div", undefined, { class: "actions" });
  tools.append(
    button("Earlier", () => moveWave(chosen, -1), { "aria-label": "Move the wave one place earlier", ...(chosen === 0 ? { disabled: "" } : {}) }),
    button("Later", () => moveWave(chosen, 1), { "aria-label": "Move the wave one place later", ...(chosen === wanted.waves.length - 1 ? { disabled: "" } : {}) }),
    button("Remove wave", () => removeWave(chosen), { class: "danger" }),
  );
  head.append(tools);
  const named = part("div", undefined, { class: "fields" });
  named.append(fieldRow({ path: ["name"], form: "text", about: "Name of the wave and its task group.", choices: [], is_required: true, default: "" }, { name: wave.name }, `waves.${chosen}`, () => {}, (value) => renameWave(wave, value ?? ""), "change"));
  holder.replaceChildren(head, named, membersOf(wave), dependenciesOf(wave), fieldset("Settings", fieldsOf(forms.wave, wave, `waves.${chosen}`)), pauseOf(wave),
    stepsOf(wave, "before", `Steps before the launch of ${waveName(wave, chosen)}`, `waves.${chosen}`), stepsOf(wave, "after", `Steps after the launch of ${waveName(wave, chosen)}`, `waves.${chosen}`));
}
function fieldset(title, ...parts) {
  const made = part("fieldset");
  made.append(part("legend", title), ...parts);
  return made;
}
function fieldsOf(fields, owner, where) {
  const made = part("div", undefined, { class: "fields" });
  made.append(...fields.map((field) => fieldRow(field, owner, where, () => remember(`${where} ${field.path.join(".")}`), () => changed(false))));
  return made;
}
function membersOf(wave) {
  const own = Array.isArray(wave.groups) ? wave.groups : [];
  const list = part("ul", undefined, { class: "plain" });
  own.forEach((name, position) => {
    const known = groups.find((group) => group.name === name);
    const line = part("li");
    const link = part("a", name, { href: `group?name=${encodeURIComponent(name)}` });
    line.append(link, part("span", known ? `${known.servers} server${known.servers === 1 ? "" : "s"}${known.description ? `: ${known.description}` : ""}` : "no such group", { class: known ? "soft small" : "bad-text small", dir: "auto" }),
      button("Remove", () => { remember(); wave.groups = own.filter((_, at) => at !== position); changed(); }, { "aria-label": `Remove group ${name}` }));
    list.append(line);
  });
  const adding = part("div", undefined, { class: "actions" });
  const input = part("input", undefined, { list: "group-names", placeholder: "Group to add", "aria-label": "Group to add" });
  const add = () => {
    const name = input.value.trim();
    if (!name || own.includes(name)) return;
    remember();
    wave.groups = [...own, name];
    changed();
  };
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(); } });
  adding.append(input, button("Add group", add));
  return fieldset("Members: protection groups", list, adding);
}
function dependenciesOf(wave) {
  const others = names().filter((_, position) => position !== chosen);
  const isDefault = !Array.isArray(wave.depends_on);
  const how = part("div", undefined, { class: "checks" });
  const choice = part("label");
  const box = part("input", undefined, { type: "checkbox" });
  box.checked = isDefault;
  box.addEventListener("change", () => {
    remember();
    const now = dependencies()[waveName(wave, chosen)];
    if (box.checked) delete wave.depends_on; else wave.depends_on = [...now];
    changed();
  });
  choice.append(box, chosen ? `the wave above: ${names()[chosen - 1]}` : "the wave above: none, it starts at once");
  how.append(choice);
  if (!isDefault) {
    for (const name of others) {
      const label = part("label");
      const check = part("input", undefined, { type: "checkbox" });
      check.checked = wave.depends_on.includes(name);
      check.addEventListener("change", () => {
        remember();
        wave.depends_on = check.checked ? [...wave.depends_on, name] : wave.depends_on.filter((other) => other !== name);
        changed();
      });
      label.append(check, name);
      how.append(label);
    }
    for (const gone of wave.depends_on.filter((name) => !others.includes(name))) {
      how.append(button(`Remove ${gone}, which is no other wave`, () => { remember(); wave.depends_on = wave.depends_on.filter((name) => name !== gone); changed(); }));
    }
  }
  return fieldset("Starts after", how);
}
function pauseOf(wave) {
  const label = part("label");
  const box = part("input", undefined, { type: "checkbox" });
  const checks = part("div", undefined, { class: "checks" });
  box.checked = Boolean(wave.pause_before);
  box.addEventListener("change", () => {
    remember();
    if (box.checked) wave.pause_before = { message: "" }; else delete wave.pause_before;
    changed();
  });
  label.append(box, "Ask people before this wave");
  checks.append(label);
  return fieldset("Pause", checks, ...(wave.pause_before && typeof wave.pause_before === "object" ? [fieldsOf(forms.pause, wave.pause_before, `waves.${chosen}.pause_before`)] : []));
}
const opened = new Set();
function stepsOf(owner, side, title, where) {
  const steps = Array.isArray(owner[side]) ? owner[side] : [];
  const cards = steps.map((step, position) => {
    const form = forms.steps[step?.kind];
    const key = `${where}.${side}.${position}`;
    const card = part("details", undefined, { class: "step" });
    card.open = opened.has(key);
    card.addEventListener("toggle", () => { if (card.open) opened.add(key); else opened.delete(key); });
    card.append(part("summary", `${position + 1}. ${form?.title || "?"}: ${step?.name || "without a name"}`, { dir: "auto" }));
    const tools = part("div", undefined, { class: "actions" });
    const move = (by) => () => { remember(); const [moved] = steps.splice(position, 1); steps.splice(position + by, 0, moved); opened.clear(); changed(); };
    tools.append(button("Up", move(-1), { "aria-label": `Move step ${step?.name} up`, ...(position ? {} : { disabled: "" }) }), button("Down", move(1), { "aria-label": `Move step ${step?.name} down`, ...(position < steps.length - 1 ? {} : { disabled: "" }) }),
      button("Remove step", () => { remember(); steps.splice(position, 1); if (!steps.length) delete owner[side]; opened.clear(); changed(); }, { class: "danger", "aria-label": `Remove step ${step?.name}` }));
    card.append(...(form ? [fieldsOf(form.fields, step, key)] : []), tools);
    return card;
  });
  const kind = part("select", undefined, { "aria-label": `Kind of step to add, ${title}` });
  for (const [name, form] of Object.entries(forms.steps)) kind.append(part("option", form.title, { value: name }));
  const adding = part("div", undefined, { class: "actions" });
  adding.append(kind, button("Add step", () => {
    remember();
    const taken = new Set(steps.map((step) => step?.name));
    let number = steps.length + 1;
    while (taken.has(`step-${number}`)) number += 1;
    owner[side] = [...steps, { kind: kind.value, name: `step-${number}` }];
    opened.add(`${where}.${side}.${steps.length}`);
    changed();
  }));
  return fieldset(title, ...cards, adding);
}
const sectionsOpen = new Set(["Plan"]);
function showSections() {
  element("plan-steps").replaceChildren(part("h2", "Around all waves"), stepsOf(wanted, "before", "Steps before all waves", "plan"), stepsOf(wanted, "after", "Steps after all waves", "plan"));
  element("sections").replaceChildren(part("h2", "The plan"), ...forms.sections.map((section) => {
    const made = part("details");
    made.open = sectionsOpen.has(section.title);
    made.addEventListener("toggle", () => { if (made.open) sectionsOpen.add(section.title); else sectionsOpen.delete(section.title); });
    made.append(part("summary", section.title), fieldsOf(section.fields, wanted, "plan"));
    return made;
  }));
}
function show() {
  keepFocus(() => {
    showGraph();
    showWave();
    showSections();
  });
}
function undo() {
  const last = undone.pop();
  if (!last) return;
  lastKey = "";
  wanted = JSON.parse(last.text);
  chosen = last.chosen;
  element("undo").disabled = !undone.length;
  changed();
}
function showDiff(patch) {
  element("diff").replaceChildren(...patch.split("\n").map((line) => {
    const isHead = line.startsWith("+++") || line.startsWith("---");
    return part("span", line, { class: isHead ? "soft" : line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : "" });
  }));
}
const etag = { "If-Match": page.dataset.etag };
function send(isDry) {
  const query = isDry ? "?dry_run=true" : "";
  return page.dataset.name
    ? ask("PUT", `recovery-plans/${encodeURIComponent(page.dataset.name)}${query}`, definition(), etag)
    : ask("POST", `recovery-plans${query}`, { definition: definition(), file: fileName() });
}
function erase(isDry) {
  return ask("DELETE", `recovery-plans/${encodeURIComponent(page.dataset.name)}${isDry ? "?dry_run=true" : ""}`, undefined, etag);
}
let act = null;
async function review(how, words) {
  const unread = document.querySelector("[aria-invalid=true]");
  if (unread) { say(element("said"), { text: "Mend the marked field first.", bad: true }); unread.focus(); return; }
  const answer = await how(true);
  if (answer.status === 412) { await sayWhatChanged(element("said")); return; }
  if (!answer.ok) { say(element("said"), ...refused(answer.found)); return; }
  if (!answer.found.patch) { say(element("said"), "Nothing is changed."); return; }
  say(element("said"));
  say(element("dialog-said"), `${answer.found.file}: this is written when you confirm.`);
  showDiff(answer.found.patch);
  element("confirm").textContent = words;
  element("confirm").hidden = false;
  act = () => how(false);
  element("dialog").showModal();
}
// Somebody was faster: say what is different now from what this page has shown.
async function sayWhatChanged(holder) {
  const { ok, found } = await ask("GET", `recovery-plans/${encodeURIComponent(page.dataset.name)}/definition`);
  if (!ok) { say(holder, ...refused(found)); return; }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(found.definition)])];
  const different = keys.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(found.definition[key]));
  say(holder, { text: "Somebody has changed the file since you opened this page. Nothing was saved: copy what you need, load the page again, then make your change.", bad: true },
    ...different.map((key) => `${key}: was ${JSON.stringify(before[key]) ?? "not there"}, is now ${JSON.stringify(found.definition[key]) ?? "not there"}`));
}
async function confirmed() {
  element("confirm").disabled = true;
  let answer;
  try { answer = await act(); } finally { element("confirm").disabled = false; }
  const holder = element("dialog-said");
  if (answer.status === 412) { await sayWhatChanged(holder); return; }
  if (!answer.ok) { say(holder, ...refused(answer.found)); return; }
  if (answer.found.is_saved) {
    isSaved = true;
    const name = definition().name;
    const isGone = element("confirm").textContent !== "Save";
    try { sessionStorage.setItem("drs-plan-saved", `Saved in ${answer.found.file}. Airflow shows the DAG once it has read the file.`); } catch { /* the page says the same */ }
    location.href = isGone ? "plans" : `plan?name=${encodeURIComponent(name)}`;
    return;
  }
  element("confirm").hidden = true;
  say(holder, answer.found.branch ? `Committed on branch ${answer.found.branch}: it counts once somebody has merged it.` : `Not saved: ${answer.found.why_not}. Apply this change where the files come from:`);
  showDiff(answer.found.patch);
  isSaved = Boolean(answer.found.branch);
}
function guarded(does, holder) {
  return async (event) => { try { await does(event); } catch (error) { say(element(holder), { text: `This did not work: ${error.message}`, bad: true }); } };
}
for (const group of groups) element("group-names").append(part("option", undefined, { value: group.name, label: `${group.servers} servers` }));
element("add-wave").addEventListener("click", addWave);
element("undo").addEventListener("click", undo);
element("review").addEventListener("click", guarded(() => review(send, "Save"), "said"));
element("delete")?.addEventListener("click", guarded(() => review(erase, "Delete the plan"), "said"));
element("confirm").addEventListener("click", guarded(confirmed, "dialog-said"));
element("cancel").addEventListener("click", () => element("dialog").close());
for (const id of ["name", "file"]) element(id)?.addEventListener("input", later);
// Whoever leaves by a link is asked here: Airflow's frame shows no question of the browser.
function isUnsaved() { return !isSaved && undone.length > 0 && JSON.stringify(before) !== JSON.stringify(wanted); }
let leaving = null;
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || !isUnsaved() || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  leaving = link;
  element("leave").showModal();
}, true);
element("leave-no").addEventListener("click", () => element("leave").close());
element("leave-yes").addEventListener("click", () => { isSaved = true; element("leave").close(); leaving.click(); });
if (!frameRoot) window.addEventListener("beforeunload", (event) => { if (isUnsaved()) event.preventDefault(); });
show();
look();
