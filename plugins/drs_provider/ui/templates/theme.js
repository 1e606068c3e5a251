"use strict";
// Airflow shows these pages in a frame of its own: take its theme, and follow when it changes.
const frameRoot = (() => {
  try { return window.parent !== window ? window.parent.document.documentElement : null; } catch { return null; }
})();
function currentTheme() {
  if (!frameRoot) return null;
  if (frameRoot.classList.contains("dark")) return "dark";
  return frameRoot.classList.contains("light") ? "light" : null;
}
function applyTheme(root) {
  const theme = currentTheme();
  if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
}
applyTheme(document.documentElement);
const themed = [document.documentElement];
if (frameRoot) {
  new MutationObserver(() => themed.forEach(applyTheme)).observe(frameRoot, { attributeFilter: ["class"] });
}
// A link into Airflow moves Airflow itself, not the frame; _top and _blank do nothing in Airflow's sandbox.
function moveAirflow(event, href) {
  event.preventDefault();
  const url = new URL(href);
  window.parent.history.pushState(null, "", url.pathname + url.search);
  window.parent.dispatchEvent(new PopStateEvent("popstate", { state: null }));
}
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-airflow]");
  if (!link || !frameRoot || event.ctrlKey || event.metaKey || event.shiftKey) return;
  moveAirflow(event, link.href);
});
// A link to a console outside of Airflow, which its sandbox would not open: the page around the frame opens it.
document.addEventListener("click", (event) => {
  if (event.target.closest?.("a[data-outside]")) followOutside(event);
});
// The same for a report, which is a page of its own: its links lead to Airflow, or to a console outside of it.
function followOutside(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || !frameRoot || link.getAttribute("href").startsWith("#")) return;
  const url = new URL(link.href);
  if (url.origin === location.origin) { moveAirflow(event, link.href); return; }
  if (!["http:", "https:"].includes(url.protocol)) return;
  event.preventDefault();
  openTab(link.href);
}
// Airflow's sandbox opens no tab and no dialog of the browser: the page around the frame does.
function openTab(href) {
  const outside = window.parent.document.createElement("a");
  Object.assign(outside, { href, target: "_blank", rel: "noopener noreferrer" });
  outside.click();
}
