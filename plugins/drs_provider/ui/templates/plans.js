// Times in the reader's own time zone; without script they stay in UTC.
for (const time of document.querySelectorAll("time[datetime]")) {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
