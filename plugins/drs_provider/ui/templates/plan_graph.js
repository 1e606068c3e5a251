// Draws the waves of a plan as a graph: rows of the outlook from left to right, an arrow for every dependency.
const SVG = "http://www.w3.org/2000/svg";
const WAVE = { width: 176, height: 62, across: 56, down: 18 };
function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
function timeWords(seconds) {
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
function shortened(text, length) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : text;
}
// Waves that depend on each other in a circle stand where the circle is met first.
function rowsOf(names, dependsOn) {
  const level = new Map();
  const place = (name, above) => {
    if (level.has(name)) return level.get(name);
    if (above.has(name)) return 0;
    const below = new Set([...above, name]);
    const found = Math.max(-1, ...(dependsOn[name] || []).filter((other) => names.includes(other)).map((other) => place(other, below))) + 1;
    level.set(name, found);
    return found;
  };
  const rows = [];
  for (const name of names) (rows[place(name, new Set())] ||= []).push(name);
  return rows.filter(Boolean);
}
// waves: [{ name, lines: [text], mark }]; path: the critical path; onChoose: what a wave that is chosen does.
function drawGraph(holder, waves, dependsOn, { path = [], chosen = null, onChoose = null } = {}) {
  const names = waves.map((wave) => wave.name);
  const rows = rowsOf(names, dependsOn);
  const tallest = Math.max(1, ...rows.map((row) => row.length));
  const width = rows.length * (WAVE.width + WAVE.across) - WAVE.across + 8;
  const height = tallest * (WAVE.height + WAVE.down) - WAVE.down + 8;
  const at = {};
  rows.forEach((row, column) => row.forEach((name, line) => {
    const top = (tallest - row.length) * (WAVE.height + WAVE.down) / 2;
    at[name] = { x: 4 + column * (WAVE.width + WAVE.across), y: 4 + top + line * (WAVE.height + WAVE.down) };
  }));
  const drawn = svg("svg", { viewBox: `0 0 ${Math.max(width, WAVE.width)} ${height}`, width: Math.max(width, WAVE.width), height, class: "graph", role: "group", "aria-label": "Waves and what they wait for" });
  const pairs = new Set(path.slice(1).map((name, position) => `${path[position]}\n${name}`));
  for (const wave of waves) {
    for (const above of dependsOn[wave.name] || []) {
      if (!at[above]) continue;
      const from = { x: at[above].x + WAVE.width, y: at[above].y + WAVE.height / 2 };
      const to = { x: at[wave.name].x, y: at[wave.name].y + WAVE.height / 2 };
      const bend = Math.max(24, (to.x - from.x) / 2);
      const isCritical = pairs.has(`${above}\n${wave.name}`);
      drawn.append(svg("path", { d: `M${from.x} ${from.y} C${from.x + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x - 7} ${to.y}`, class: isCritical ? "edge critical" : "edge" }));
      drawn.append(svg("path", { d: `M${to.x - 8} ${to.y - 4.5} L${to.x} ${to.y} L${to.x - 8} ${to.y + 4.5} Z`, class: isCritical ? "head critical" : "head" }));
    }
  }
  for (const wave of waves) {
    const { x, y } = at[wave.name];
    const isCritical = path.includes(wave.name);
    const classes = ["wave", isCritical && "critical", wave.name === chosen && "chosen", wave.mark && "bad"].filter(Boolean).join(" ");
    const words = [wave.name, ...wave.lines, isCritical ? "on the critical path" : "", wave.mark ? "has problems" : ""].filter(Boolean).join(", ");
    const group = svg("g", { class: classes, transform: `translate(${x} ${y})`, "aria-label": words, ...(onChoose ? { tabindex: "0", role: "button", "aria-pressed": String(wave.name === chosen) } : { role: "img" }) });
    const title = svg("title", {});
    title.textContent = words;
    group.append(title, svg("rect", { width: WAVE.width, height: WAVE.height, rx: 8 }));
    [wave.mark ? `! ${wave.name}` : wave.name, ...wave.lines.slice(0, 2)].forEach((line, number) => {
      const text = svg("text", { x: 12, y: 20 + number * 17, class: number ? "note" : "wave-name" });
      text.textContent = shortened(line, number ? 27 : 21);
      group.append(text);
    });
    if (onChoose) {
      group.addEventListener("click", () => onChoose(wave.name));
      group.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onChoose(wave.name);
      });
    }
    drawn.append(group);
  }
  const hadFocus = holder.contains(document.activeElement);
  holder.replaceChildren(drawn);
  if (hadFocus && chosen !== null) holder.querySelector("g.chosen")?.focus();
}
