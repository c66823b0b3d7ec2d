// A real HTML table: it keeps its place while its rows change, can be walked with the keyboard, and says severities in words.
function cell(value) {
  const td = document.createElement("td");
  if (value === null || value === undefined) return td;
  if (typeof value !== "object") { td.textContent = String(value); return td; }
  if (value.bar !== undefined) {
    const bar = document.createElement("span");
    bar.className = "bar " + (value.tone || "");
    bar.style.setProperty("--share", String(Math.max(0, Math.min(1, value.bar))));
    td.append(bar);
  }
  const span = document.createElement("span");
  span.className = value.chip ? "chip " + (value.tone || "") : value.tone || "";
  span.textContent = value.text;
  if (value.hint) span.title = value.hint;
  td.append(span);
  return td;
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".table");
  const text = JSON.stringify(data);
  if (root.dataset.shown === text) return;
  root.dataset.shown = text;
  root.style.maxHeight = data.height ? data.height + "px" : "";
  if (!data.rows.length) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = data.empty;
    root.replaceChildren(empty);
    return;
  }
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const column of data.columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = column.label;
    if (column.right) th.className = "right";
    head.append(th);
  }
  const body = table.createTBody();
  for (const row of data.rows) {
    const tr = body.insertRow();
    tr.dataset.id = row.id;
    for (const column of data.columns) {
      const td = cell(row.cells[column.key]);
      if (column.right) td.classList.add("right");
      if (column.wrap) td.classList.add("wrap");
      tr.append(td);
    }
    if (!data.selectable) continue;
    tr.className = row.id === data.selected ? "chosen" : "open";
    tr.tabIndex = 0;
    tr.setAttribute("aria-selected", String(row.id === data.selected));
    tr.onclick = () => setStateValue("selected", row.id);
    tr.onkeydown = (event) => {
      if (event.key === "Enter") setStateValue("selected", row.id);
      if (event.key === "ArrowDown" && tr.nextSibling) tr.nextSibling.focus();
      if (event.key === "ArrowUp" && tr.previousSibling) tr.previousSibling.focus();
      if (event.key.startsWith("Arrow")) event.preventDefault();
    };
  }
  const focused = parentElement.activeElement && parentElement.activeElement.dataset.id;
  const top = root.scrollTop;
  root.replaceChildren(table);
  root.scrollTop = top;
  if (focused) for (const tr of body.rows) if (tr.dataset.id === focused) tr.focus();
}
