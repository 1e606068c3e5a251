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
// A link into Airflow moves Airflow itself, not the frame.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-airflow]") : null;
  if (!link || !frameRoot || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const url = new URL(link.href);
  window.parent.history.pushState(null, "", url.pathname + url.search);
  window.parent.dispatchEvent(new PopStateEvent("popstate", { state: null }));
});
