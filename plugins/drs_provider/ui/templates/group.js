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
  return wanted;
}
async function find() {
  const text = element("find").value.trim();
  if (!text) { element("found").replaceChildren(); return; }
  const { ok, found } = await ask("GET", `source-servers?limit=20&q=${encodeURIComponent(text)}`);
  if (!ok) { say(...problems(found)); return; }
  element("found").replaceChildren(...found.servers.map((server) => {
    hostnames.set(server.server_id, server.hostname);
    const where = server.groups.length ? `, in group ${server.groups.join(", ")}` : "";
    return row(`${server.hostname} (${server.server_id}, ${server.account} ${server.region}${where})`, "Add", () => {
      if (!members.some((member) => idOf(member) === server.server_id)) members.push(server.server_id);
      showMembers();
    });
  }));
}
async function preview() {
  const { ok, found } = await ask("POST", "protection-groups/resolve", definition());
  if (!ok) { say(...problems(found)); return; }
  say(
    ...[...found.conflicts, ...found.problems].map((text) => ({ text, bad: true })),
    ...(found.account ? [found.account] : []),
    `${found.servers.length + found.unknown.length} servers: ${[...found.servers.map((server) => server.hostname), ...found.unknown].join(", ") || "none"}`,
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
  say(`Not saved: ${answer.found.why_not}. Apply this change where the files come from:`, { tag: "pre", text: answer.found.patch });
}
async function save(event) {
  event.preventDefault();
  const wanted = definition();
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
if (editor) {
  element("description").value = before.description || "";
  element("region").value = before.region || "";
  element("connection").value = before.aws_conn_id || "";
  element("tags").value = tagLines(before.select?.tags);
  for (const id of ["description", "region", "connection", "tags"]) loaded[id] = element(id).value;
  showMembers();
  sayWarnings();
  let typed;
  element("find").addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(guarded(find), 250); });
  element("preview").addEventListener("click", guarded(preview));
  element("delete")?.addEventListener("click", guarded(remove));
  editor.addEventListener("submit", guarded((event) => { event.preventDefault(); return save(event); }));
}
