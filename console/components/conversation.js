// A conversation that grows: lines already there stay as they are (a text that was shown stays shown), new ones are added,
// and the view follows the end only for a reader who is at the end.
function el(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function marked(text, spans) {
  const box = el("span", "text");
  let at = 0;
  const chars = Array.from(text);
  for (const [from, to] of spans) {
    if (from < at || to > chars.length) continue;
    box.append(chars.slice(at, from).join(""), el("mark", "", chars.slice(from, to).join("")));
    at = to;
  }
  box.append(chars.slice(at).join(""));
  return box;
}

function line(message) {
  const row = el("article", `line ${message.side}${message.flagged ? " flagged" : ""}`);
  const head = el("header", "");
  head.append(el("b", "", message.name), el("time", "", message.time));
  for (const chip of message.chips) head.append(el("span", "chip " + chip.tone, chip.text));
  row.append(head);
  const text = message.text === null ? el("span", "text gone", message.absent) : marked(message.text, message.spans);
  row.append(text);
  if (message.blurred) {
    text.classList.add("blurred");
    const show = el("button", "show", "Show the text");
    show.onclick = () => {
      const hidden = text.classList.toggle("blurred");
      show.textContent = hidden ? "Show the text" : "Hide it again";
    };
    row.append(show);
  }
  if (message.why) row.append(el("p", "why", message.why));
  return row;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".conversation");
  root.style.maxHeight = data.height + "px";
  if (!data.messages.length) {
    root.replaceChildren(el("p", "empty", data.empty));
    root.shown = new Map();
    return;
  }
  if (!root.shown || root.dataset.of !== data.of) {
    root.replaceChildren();
    root.shown = new Map();
    root.dataset.of = data.of;
    root.fresh = true;
  }
  for (const stray of root.querySelectorAll(".empty")) stray.remove();
  const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 40;
  let before = null;
  const kept = new Set();
  for (const message of data.messages) {
    kept.add(message.id);
    const text = JSON.stringify(message);
    const known = root.shown.get(message.id);
    let row = known && known.row;
    if (!known || known.text !== text) {
      const next = line(message);
      if (row) row.replaceWith(next);
      row = next;
      root.shown.set(message.id, { row, text });
    }
    const place = before ? before.nextSibling : root.firstChild;
    if (place !== row) root.insertBefore(row, place);
    before = row;
  }
  for (const [id, known] of root.shown) {
    if (!kept.has(id)) { known.row.remove(); root.shown.delete(id); }
  }
  const flagged = root.querySelector(".flagged");
  if (root.fresh && flagged) root.scrollTop = Math.max(0, flagged.offsetTop - root.clientHeight / 2);
  else if (atEnd || root.fresh) root.scrollTop = root.scrollHeight;
  root.fresh = false;
}
