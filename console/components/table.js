// A real HTML table: it keeps its place while its rows change, can be walked with the keyboard, and says severities in words.
// Rows and cells that stay the same are left alone: a click that began before a refresh still lands where it was aimed.
function fill(td, value) {
  if (value === null || value === undefined) { td.replaceChildren(); return; }
  if (typeof value !== "object") { td.textContent = String(value); return; }
  const span = document.createElement("span");
  span.className = value.chip ? "chip " + (value.tone || "") : value.tone || "";
  span.textContent = value.text;
  if (value.hint) span.title = value.hint;
  if (value.bar === undefined) { td.replaceChildren(span); return; }
  const bar = document.createElement("span");
  bar.className = "bar " + (value.tone || "");
  bar.style.setProperty("--share", String(Math.max(0, Math.min(1, value.bar))));
  td.replaceChildren(bar, span);
}

function built(root, columns) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = column.label;
    if (column.right) th.className = "right";
    head.append(th);
  }
  root.replaceChildren(table);
  return table.createTBody();
}

function made(row, columns) {
  const tr = document.createElement("tr");
  tr.dataset.id = row.id;
  for (const column of columns) {
    const td = tr.insertCell();
    td.classList.toggle("right", column.right);
    td.classList.toggle("wrap", column.wrap);
  }
  return tr;
}

function update(tr, row, data) {
  data.columns.forEach((column, at) => {
    const value = row.cells[column.key];
    const text = JSON.stringify(value === undefined ? null : value);
    const td = tr.cells[at];
    if (td.shown === text) return;
    td.shown = text;
    fill(td, value);
  });
  if (!data.selectable) return;
  tr.className = row.id === data.selected ? "chosen" : "open";
  tr.tabIndex = 0;
  tr.setAttribute("aria-selected", String(row.id === data.selected));
}

function listen(root) {
  const row = (event) => event.target.closest && event.target.closest("tbody tr");
  root.onclick = (event) => { if (row(event)) root.choose(row(event).dataset.id); };
  root.onkeydown = (event) => {
    const tr = row(event);
    if (!tr) return;
    if (event.key === "Enter") root.choose(tr.dataset.id);
    const next = { ArrowDown: tr.nextSibling, ArrowUp: tr.previousSibling }[event.key];
    if (!next) return;
    next.focus();
    event.preventDefault();
  };
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".table");
  root.choose = (id) => { if (data.selectable) setStateValue("selected", id); };
  if (!root.onclick) listen(root);
  root.style.maxHeight = data.height ? data.height + "px" : "";
  if (!data.rows.length) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = data.empty;
    root.replaceChildren(empty);
    root.body = null;
    return;
  }
  const shape = JSON.stringify(data.columns);
  if (!root.body || root.shape !== shape) {
    root.body = built(root, data.columns);
    root.shape = shape;
  }
  const known = new Map(Array.from(root.body.rows, (tr) => [tr.dataset.id, tr]));
  const wanted = new Set(data.rows.map((row) => row.id));
  for (const [id, tr] of known) if (!wanted.has(id)) tr.remove();
  data.rows.forEach((row, at) => {
    const tr = known.get(row.id) || made(row, data.columns);
    update(tr, row, data);
    if (root.body.rows[at] !== tr) root.body.insertBefore(tr, root.body.rows[at] || null);
  });
}
