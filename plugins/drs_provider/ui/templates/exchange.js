// Exchange what an element holds for what is new, and keep every part that is the same: whoever has the focus on it, or is
// about to press it, keeps it. Parts with a `data-key` are found by it, the others by their place.
function keyOf(node) { return node?.dataset?.key; }
function renew(old, made) {
  if (old.nodeType !== Node.ELEMENT_NODE) { if (old.nodeValue !== made.nodeValue) old.nodeValue = made.nodeValue; return; }
  for (const name of old.getAttributeNames()) if (!made.hasAttribute(name)) old.removeAttribute(name);
  for (const name of made.getAttributeNames()) if (old.getAttribute(name) !== made.getAttribute(name)) old.setAttribute(name, made.getAttribute(name));
  exchange(old, [...made.childNodes]);
}
function exchange(holder, fresh) {
  const wanted = new Set(fresh.map(keyOf).filter(Boolean));
  const known = new Map([...holder.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let at = holder.firstChild;
  const past = () => { const gone = at; at = at.nextSibling; return gone; };
  for (const made of fresh) {
    while (at && keyOf(at) && !wanted.has(keyOf(at))) past().remove();
    const old = keyOf(made) ? known.get(keyOf(made)) : at;
    if (old && old.nodeName === made.nodeName && keyOf(old) === keyOf(made)) {
      if (old === at) past(); else holder.insertBefore(old, at);
      renew(old, made);
    } else holder.insertBefore(made, at);
  }
  while (at) past().remove();
}
