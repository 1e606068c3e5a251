"use strict";
const page = document.getElementById("group");
const editor = document.getElementById("editor");
const element = (id) => document.getElementById(id);
const before = JSON.parse(page.dataset.definition);
let members = [...(before.servers || [])];
const loaded = {};
const idOf = (member) => (typeof member === "string" ? member : member.id);
const hostnames = new Map([...document.querySelectorAll("tr[data-id]")].map((row) => [row.dataset.id, row.dataset.hostname]));

function say(...lines) {
  element("said").replaceChildren(...lines.map((line) => {
    const part = document.createElement(line.tag || "p");
    part.textContent = line.text ?? line;
    part.dir = "auto";
    if (line.bad) part.className = "bad-text";
    return part;
  }));
}
async function ask(method, path, body, headers = {}) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } };
  const answer = await fetch(`api/v1/${path}`, { method, cache: "no-store", headers, ...json });
  const found = await answer.json();
  return { status: answer.status, ok: answer.ok, found, etag: answer.headers.get("ETag") };
}
function problems(found) {
  return [{ text: found.detail, bad: true }, ...(found.errors || []).map((error) => ({ text: `${error.where}: ${error.what}${error.hint ? ` (${error.hint})` : ""}`, bad: true }))];
}
function plural(count, noun) { return `${count} ${noun}${count === 1 ? "" : "s"}`; }
function row(text, words, act) {
  const line = document.createElement("li");
  const said = document.createElement("span");
  said.textContent = `${text} `;
  said.dir = "auto";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = words;
  button.setAttribute("aria-label", `${words} ${text}`);
  button.addEventListener("click", act);
  line.append(said, button);
  return line;
}
function showMembers() {
  element("members").replaceChildren(...members.map((member) => {
    const id = idOf(member);
    return row(hostnames.has(id) ? `${hostnames.get(id)} (${id})` : id, "Remove", () => { members = members.filter((other) => other !== member); showMembers(); });
  }));
}
function tagLine([key, values]) {
  return `${key}=${[values].flat().join("|")}`;
}
function tagLines(tags) {
  return Object.entries(tags || {}).map(tagLine).join("\n");
}
function tagOf(line) {
  const at = line.indexOf("=");
  const values = (at < 0 ? "*" : line.slice(at + 1)).split("|").map((value) => value.trim());
  return [(at < 0 ? line : line.slice(0, at)).trim(), values.length === 1 ? values[0] : values];
}
// A line that nobody has changed means what it meant, also where it cannot be read back: a key may hold =, a value |.
function tagsOf(text) {
  const known = Object.entries(before.select?.tags || {});
  return Object.fromEntries(text.split("\n").filter((line) => line.trim()).map((line) => {
    const at = known.findIndex((entry) => tagLine(entry).trim() === line.trim());
    return at < 0 ? tagOf(line) : known.splice(at, 1)[0];
  }));
}
function put(definition, key, value) {
  if (value) definition[key] = value; else delete definition[key];
}
// What a field shows may lack what the definition has, such as the line break at its end: only what was changed is taken.
function putField(definition, key, id) {
  if (element(id).value !== loaded[id]) put(definition, key, element(id).value.trim());
}
// Launch settings that a form can hold; the others stay in the file as they are. What to choose from is asked of AWS.
const YES_NO = [["", "as it is"], ["true", "yes"], ["false", "no"]];
const SETTINGS = [
  ["instance_type", "Instance type", { choices: "instance_types" }],
  ["subnet_id", "Subnet", { choices: "subnets" }],
  ["security_group_ids", "Security groups", { choices: "security_groups", many: true }],
  ["instance_profile", "Instance profile", { choices: "instance_profiles" }],
  ["right_sizing", "Right-sizing", { words: [["", "as it is"], ["none", "none"], ["basic", "basic"], ["in_aws", "in AWS"]] }],
  ["disposition", "After the launch", { words: [["", "as it is"], ["started", "started"], ["stopped", "stopped"]] }],
  ["recovery_mode", "Recovery mode", { words: [["", "as it is"], ["optimal", "optimal"], ["fast", "fast"]] }],
  ["copy_private_ip", "Copy private IP", { words: YES_NO }],
  ["copy_tags", "Copy tags", { words: YES_NO }],
  ["os_byol", "Own licence (BYOL)", { words: YES_NO }],
  ["protect", "Termination protection", { words: YES_NO }],
];
const SECTIONS = [["launch", "In every launch"], ["drill_launch", "In a drill"]];
function settingText(section, field) {
  const value = before[section]?.[field];
  return value === undefined || value === null ? "" : [value].flat().join(", ");
}
function settingValue(text, { words, many }) {
  if (many) return text.split(",").map((part) => part.trim()).filter(Boolean);
  return words === YES_NO ? text === "true" : text;
}
function settingInput(section, field, label, kind) {
  const id = `${section}-${field}`, place = document.createElement("div");
  const input = document.createElement(kind.words ? "select" : "input");
  input.id = id;
  input.setAttribute("aria-label", `${label}, ${section === "launch" ? "in every launch" : "in a drill"}`);
  for (const [value, text] of kind.words || []) input.append(new Option(text, value));
  const known = settingText(section, field);
  if (kind.words && known && !kind.words.some(([value]) => value === known)) input.append(new Option(known, known));
  input.value = known;
  loaded[id] = input.value;
  if (kind.choices && !kind.many) input.setAttribute("list", `of-${kind.choices}`);
  place.append(input);
  if (kind.many) {
    const add = document.createElement("select");
    add.className = "add";
    add.dataset.choices = kind.choices;
    add.setAttribute("aria-label", `Add to ${label}`);
    add.append(new Option("add …", ""));
    add.addEventListener("change", () => {
      const chosen = settingValue(input.value, kind);
      if (add.value && !chosen.includes(add.value)) input.value = [...chosen, add.value].join(", ");
      add.value = "";
    });
    place.append(add);
  }
  return place;
}
function showSettings() {
  const corner = document.createElement("span");
  corner.className = "corner";
  element("settings").append(corner, ...SECTIONS.map(([, words]) => Object.assign(document.createElement("b"), { textContent: words })));
  for (const [field, label, kind] of SETTINGS) {
    const name = document.createElement("label");
    name.textContent = label;
    name.htmlFor = `launch-${field}`;
    element("settings").append(name, ...SECTIONS.map(([section]) => settingInput(section, field, label, kind)));
  }
}
let choicesOf = null;
async function loadChoices() {
  const connection = element("connection").value.trim() || "aws_default", region = element("region").value.trim();
  const asked = JSON.stringify([connection, region]);
  if (choicesOf === asked) return;
  choicesOf = asked;
  element("choices").textContent = "Loading what there is to choose …";
  const { ok, found } = await ask("GET", `launch-choices?${new URLSearchParams({ connection, region })}`);
  if (!ok) { choicesOf = null; element("choices").textContent = `Type ids and names yourself: ${found.detail}`; return; }
  for (const name of ["instance_types", "subnets", "instance_profiles"]) {
    document.getElementById(`of-${name}`)?.remove();
    const list = document.createElement("datalist");
    list.id = `of-${name}`;
    list.append(...found[name].map((choice) => new Option(choice.words, choice.value)));
    element("settings").append(list);
  }
  for (const add of element("settings").querySelectorAll("select.add")) {
    add.replaceChildren(new Option("add …", ""), ...found[add.dataset.choices].map((choice) => new Option(`${choice.value}: ${choice.words}`, choice.value)));
  }
  const missing = Object.entries(found.problems).map(([field, why]) => `${field.replaceAll("_", " ")}: ${why}`);
  element("choices").textContent = missing.length ? `Not to choose from, type it yourself: ${missing.join("; ")}` : `${found.subnets.length} subnets, ${found.security_groups.length} security groups, ${found.instance_types.length} instance types, ${found.instance_profiles.length} instance profiles`;
}
function changedSettings() {
  return SECTIONS.flatMap(([section]) => SETTINGS.filter(([field]) => element(`${section}-${field}`).value !== loaded[`${section}-${field}`]).map(([field, , kind]) => [section, field, kind]));
}
function putSettings(wanted) {
  for (const [section, field, kind] of changedSettings()) {
    const text = element(`${section}-${field}`).value.trim();
    const settings = { ...wanted[section] };
    if (text) settings[field] = settingValue(text, kind); else delete settings[field];
    put(wanted, section, Object.keys(settings).length ? settings : null);
  }
}
// What preflight would say of these settings, for the servers that the group has now.
async function launchFindings(wanted) {
  const { ok, found } = await ask("POST", "protection-groups/check-launch", wanted);
  if (!ok) return { isRefused: false, lines: problems(found) };
  const lines = found.findings.map((finding) => ({ text: `${finding.severity}: ${finding.server}: ${finding.what}; ${finding.next_step}`, bad: finding.severity === "refusal" }));
  if (found.problem) lines.push({ text: `Launch settings were not checked: ${found.problem}`, bad: true });
  else lines.push(`Launch settings of ${plural(found.checked, "server")} checked as preflight does${found.left_out ? `, ${found.left_out} more were left out` : ""}.`);
  return { isRefused: found.findings.some((finding) => finding.severity === "refusal"), lines };
}
function definition() {
  const wanted = structuredClone(before);
  wanted.kind ??= "ProtectionGroup";
  wanted.name ??= element("name").value.trim();
  putField(wanted, "description", "description");
  putField(wanted, "region", "region");
  putField(wanted, "aws_conn_id", "connection");
  put(wanted, "servers", members.length ? members : null);
  if (element("tags").value !== loaded.tags) {
    const tags = tagsOf(element("tags").value);
    put(wanted, "select", Object.keys(tags).length ? { ...before.select, tags } : null);
  }
  putSettings(wanted);
  return wanted;
}
async function find() {
  const text = element("find").value.trim();
  if (!text) { element("found").replaceChildren(); return; }
  const { ok, found } = await ask("GET", `source-servers?limit=20&q=${encodeURIComponent(text)}`);
  if (!ok) { say(...problems(found)); return; }
  if (!found.servers.length) { element("found").replaceChildren(Object.assign(document.createElement("li"), { className: "soft", textContent: "No server is called so, or has such a tag." })); return; }
  element("found").replaceChildren(...found.servers.map((server) => {
    hostnames.set(server.server_id, server.hostname);
    const where = server.groups.length ? `, in group ${server.groups.join(", ")}` : "";
    return row(`${server.hostname} (${server.server_id}, ${server.account} ${server.region}${where})`, "Add", (event) => {
      event.target.disabled = true;
      if (!members.some((member) => idOf(member) === server.server_id)) members.push(server.server_id);
      showMembers();
    });
  }));
}
async function preview() {
  const wanted = definition();
  const { ok, found } = await ask("POST", "protection-groups/resolve", wanted);
  if (!ok) { say(...problems(found)); return; }
  const { lines } = wanted.launch || wanted.drill_launch ? await launchFindings(wanted) : { lines: [] };
  say(
    ...[...found.conflicts, ...found.problems].map((text) => ({ text, bad: true })),
    ...(found.account ? [found.account] : []),
    `${plural(found.servers.length + found.unknown.length, "server")}: ${[...found.servers.map((server) => server.hostname), ...found.unknown].join(", ") || "none"}`,
    ...lines,
  );
}
// Somebody was faster: say what is different now from what this page has shown.
async function sayWhatChanged() {
  const { ok, found } = await ask("GET", `protection-groups/${encodeURIComponent(page.dataset.name)}`);
  if (!ok) { say(...problems(found)); return; }
  const keys = new Set([...Object.keys(before), ...Object.keys(found.definition)]);
  const changed = [...keys].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(found.definition[key]));
  say({ text: "Somebody has changed the file since you opened this page. Nothing was saved: load the page again, then make your change.", bad: true },
    ...changed.map((key) => `${key}: was ${JSON.stringify(before[key]) ?? "not there"}, is now ${JSON.stringify(found.definition[key]) ?? "not there"}`));
}
// The page of the saved group says what it could not be compared with.
function keepWarnings(warnings) {
  try { sessionStorage.setItem("drs-warnings", JSON.stringify(warnings)); } catch { /* the preview says the same */ }
}
function sayWarnings() {
  try {
    const warnings = JSON.parse(sessionStorage.getItem("drs-warnings") || "[]");
    sessionStorage.removeItem("drs-warnings");
    if (warnings.length) say("Saved.", ...warnings.map((text) => ({ text, bad: true })));
  } catch { /* the preview says the same */ }
}
async function finish(answer, next) {
  if (answer.status === 412) { await sayWhatChanged(); return; }
  if (!answer.ok) { say(...problems(answer.found)); return; }
  if (answer.found.is_saved) { keepWarnings(answer.found.warnings); location.href = next; return; }
  const { branch, why_not: why, patch } = answer.found;
  say(branch ? `Committed on branch ${branch}: it counts once somebody has merged it.` : `Not saved: ${why}. Apply this change where the files come from:`, { tag: "pre", text: patch });
}
async function save(event) {
  event.preventDefault();
  const wanted = definition(), button = editor.querySelector("button:not([type])");
  if (changedSettings().length && button.dataset.sure !== JSON.stringify(wanted)) {
    const { isRefused, lines } = await launchFindings(wanted);
    if (isRefused) {
      button.dataset.sure = JSON.stringify(wanted);
      say({ text: "Not saved yet: preflight would refuse these launch settings. Change them, or press Save again to save them all the same.", bad: true }, ...lines);
      return;
    }
  }
  const next = `group?name=${encodeURIComponent(wanted.name)}`;
  const answer = page.dataset.name
    ? await ask("PUT", `protection-groups/${encodeURIComponent(page.dataset.name)}`, wanted, { "If-Match": page.dataset.etag })
    : await ask("POST", "protection-groups", { definition: wanted, file: element("file").value.trim() || null });
  await finish(answer, next);
}
async function remove() {
  const button = element("delete");
  if (button.dataset.sure !== "yes") { button.dataset.sure = "yes"; button.textContent = `Delete ${page.dataset.name} for good?`; return; }
  await finish(await ask("DELETE", `protection-groups/${encodeURIComponent(page.dataset.name)}`, undefined, { "If-Match": page.dataset.etag }), "groups");
}
function guarded(act) {
  return (event) => act(event).catch((error) => say({ text: `This did not work: ${error.message}`, bad: true }));
}
// One after the other: while one of these works, none of them can be pressed.
function alone(act) {
  return async (event) => {
    const buttons = editor.querySelectorAll(".actions button"), pressed = document.activeElement;
    for (const button of buttons) button.disabled = true;
    try { await act(event); } finally {
      for (const button of buttons) button.disabled = false;
      if (editor.contains(pressed)) pressed.focus();
    }
  };
}
if (editor) {
  element("description").value = before.description || "";
  element("region").value = before.region || "";
  element("connection").value = before.aws_conn_id || "";
  element("tags").value = tagLines(before.select?.tags);
  for (const id of ["description", "region", "connection", "tags"]) loaded[id] = element(id).value;
  showMembers();
  showSettings();
  element("launching").open = SECTIONS.some(([section]) => before[section]);
  element("launching").addEventListener("toggle", guarded(async () => { if (element("launching").open) await loadChoices(); }));
  if (element("launching").open) guarded(loadChoices)();
  for (const id of ["region", "connection"]) element(id).addEventListener("change", guarded(async () => { if (element("launching").open) await loadChoices(); }));
  sayWarnings();
  let typed;
  element("find").addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(guarded(find), 250); });
  element("preview").addEventListener("click", guarded(alone(preview)));
  element("delete")?.addEventListener("click", guarded(alone(remove)));
  editor.addEventListener("submit", guarded((event) => { event.preventDefault(); return alone(save)(event); }));
}
