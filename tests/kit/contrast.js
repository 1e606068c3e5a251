// The texts of a page that stand out too little from what is behind them (WCAG 2.2, 1.4.3 at AA). Whatever is folded is
// unfolded before; what cannot be used at the moment (disabled) counts neither here nor there.
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = new Map();
  const rgba = (color) => {
    if (!read.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      read.set(color, [r, g, b, a / 255]);
    }
    return read.get(color);
  };
  const over = (top, below, share = 1) => {
    const a = top[3] * share;
    return [0, 1, 2].map((part) => top[part] * a + below[part] * (1 - a)).concat(1);
  };
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((part) => part / 255).map((p) => p <= 0.04045 ? p / 12.92 : ((p + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const style = (element) => getComputedStyle(element);
  const isDark = style(document.documentElement).colorScheme === "dark";
  // What is painted behind an element, and how much of the element itself is: opacity counts for all that is in it.
  const behind = (element) => {
    const up = [];
    for (let at = element; at; at = at.parentElement) up.unshift(at);
    let paper = isDark ? [18, 18, 18, 1] : [255, 255, 255, 1], share = 1;
    for (const at of up) {
      const its = style(at);
      share *= Number(its.opacity);
      paper = over(rgba(its.backgroundColor), paper, share);
    }
    const drawing = element.closest("svg"), box = element.getBoundingClientRect();
    for (const rect of drawing?.querySelectorAll("rect") ?? []) {
      const its = rect.getBoundingClientRect(), isBefore = rect.compareDocumentPosition(element) & 4;
      const holds = its.left <= box.left && its.right >= box.right && its.top <= box.top && its.bottom >= box.bottom;
      if (isBefore && holds && style(rect).fill !== "none") paper = over(rgba(style(rect).fill), paper, share);
    }
    return [paper, share];
  };
  document.querySelectorAll("details").forEach((each) => { each.open = true; });
  document.querySelectorAll("[hidden]").forEach((each) => { each.hidden = false; });
  document.querySelectorAll("dialog").forEach((each) => { each.setAttribute("open", ""); });
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() && !owner.closest("script, style, option, noscript, title, desc")) {
      const its = style(owner);
      texts.push([owner, owner.namespaceURI.endsWith("svg") ? its.fill : its.color, walker.currentNode.data.trim()]);
    }
  }
  for (const field of document.querySelectorAll("input:not([type=checkbox], [type=hidden], [type=radio]), select, textarea")) {
    texts.push([field, style(field).color, `value of ${field.name || field.id}`]);
    if (field.placeholder) texts.push([field, style(field, "::placeholder").color, `placeholder ${field.placeholder}`]);
  }
  const found = new Map();
  let seen = 0;
  for (const [owner, color, words] of texts) {
    if (!owner.checkVisibility({ visibilityProperty: true }) || owner.closest(":disabled, [aria-disabled=true]")) continue;
    seen += 1;
    const its = style(owner), size = parseFloat(its.fontSize);
    const needs = size >= 24 || (size >= 18.66 && Number(its.fontWeight) >= 700) ? 3 : 4.5;
    const [paper, share] = behind(owner);
    const has = ratio(over(rgba(color), paper, share), paper);
    const what = `${owner.tagName.toLowerCase()}.${owner.getAttribute("class") ?? ""}`;
    if (has < needs) found.set(`${what} ${color}`, `${what}: ${has.toFixed(2)} instead of ${needs}: ${words.slice(0, 60)}`);
  }
  return { seen, found: [...found.values()] };
})()
