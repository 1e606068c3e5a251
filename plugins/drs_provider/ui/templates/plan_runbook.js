"use strict";
// Airflow's frame lets no page print: the runbook opens in a tab of its own, and prints there.
const PRINTS = "#print";
document.getElementById("print")?.addEventListener("click", () => {
  if (frameRoot) openTab(location.href.replace(/#.*$/, "") + PRINTS); else window.print();
});
if (!frameRoot && location.hash === PRINTS) window.addEventListener("load", () => window.print());
