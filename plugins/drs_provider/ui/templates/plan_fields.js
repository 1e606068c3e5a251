// A field of a form: what it shows of the definition, and what the definition says once somebody has changed it.
// Only what was changed is written; what a field cannot hold stays as it is.
let fieldCount = 0;
function valueAt(owner, path) {
  return path.reduce((value, key) => (value && typeof value === "object" ? value[key] : undefined), owner);
}
function put(owner, path, value) {
  const holders = [owner];
  for (const key of path.slice(0, -1)) {
    const holder = holders.at(-1);
    if (!holder[key] || typeof holder[key] !== "object") { if (value === undefined) return; holder[key] = {}; }
    holders.push(holder[key]);
  }
  if (value !== undefined) { holders.at(-1)[path.at(-1)] = value; return; }
  delete holders.at(-1)[path.at(-1)];
  for (let depth = path.length - 2; depth >= 0; depth -= 1) {
    if (Object.keys(holders[depth + 1]).length) return;
    delete holders[depth][path[depth]];
  }
}
function isPlainList(value) {
  return Array.isArray(value) && value.every((item) => typeof item === "string" && item.trim() === item && item && !item.includes(","));
}
function shownText(value, form) {
  if (value === undefined) return "";
  if (form === "json") return JSON.stringify(value, null, 2);
  if (form === "list") return isPlainList(value) ? value.join(", ") : JSON.stringify(value);
  return typeof value === "string" ? value : JSON.stringify(value);
}
function readText(text, form) {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  if (form === "json") return JSON.parse(text);
  if (form === "list") return trimmed.startsWith("[") ? JSON.parse(trimmed) : trimmed.split(",").map((item) => item.trim()).filter(Boolean);
  if (form === "any" && trimmed.startsWith("{")) return JSON.parse(trimmed);
  if (form === "number" && /^-?\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (form === "share" && /^\d+$/.test(trimmed)) return Number(trimmed);
  if (form === "flag") return trimmed === "true" ? true : trimmed === "false" ? false : trimmed;
  return form === "long" ? text : trimmed;
}
function inputFor(field, value) {
  if (field.form === "choice" || field.form === "flag") {
    const choices = field.form === "flag" ? ["true", "false"] : field.choices;
    const select = document.createElement("select");
    const unset = document.createElement("option");
    unset.value = "";
    unset.textContent = field.default ? `${field.default} (left out)` : "left out";
    select.append(unset);
    const shown = shownText(value, field.form);
    for (const choice of choices.includes(shown) || !shown ? choices : [...choices, shown]) {
      const option = document.createElement("option");
      option.value = choice;
      option.textContent = field.form === "flag" ? (choice === "true" ? "yes" : choice === "false" ? "no" : choice) : choice;
      select.append(option);
    }
    select.value = shown;
    return select;
  }
  const isLong = field.form === "json" || field.form === "long";
  const input = document.createElement(isLong ? "textarea" : "input");
  if (isLong) input.rows = field.form === "json" ? 4 : 2;
  input.value = shownText(value, field.form);
  input.dir = "auto";
  if (field.default) input.placeholder = field.default;
  return input;
}
function fieldRow(field, owner, where, onBefore, onChange, event = "input") {
  const row = document.createElement("div");
  row.className = field.form === "json" || field.form === "long" ? "field wide" : "field";
  const input = inputFor(field, valueAt(owner, field.path));
  fieldCount += 1;
  input.id = `field-${fieldCount}`;
  input.dataset.where = `${where}.${field.path.join(".")}`;
  const label = document.createElement("label");
  label.htmlFor = input.id;
  label.textContent = field.path.join(" · ").replaceAll("_", " ") + (field.is_required && field.path.length === 1 ? " *" : "");
  const about = document.createElement("span");
  about.className = "about";
  about.id = `${input.id}-about`;
  about.textContent = `${field.about}${field.form === "list" ? " With commas between." : field.form === "json" ? " As JSON." : ""}`;
  input.setAttribute("aria-describedby", about.id);
  input.addEventListener(event, () => {
    let value;
    try { value = readText(input.value, field.form); } catch (error) {
      input.setAttribute("aria-invalid", "true");
      input.dataset.problem = `this is no JSON: ${error.message}`;
      onChange();
      return;
    }
    input.removeAttribute("aria-invalid");
    onBefore();
    put(owner, field.path, value);
    onChange(value);
  });
  row.append(label, input, about);
  return row;
}
