// The matrix: rules by backends, filtered, folded by group, walked by the arrow keys.

const FOLD_FROM = 2000; // cells from which on the groups begin folded
const filters = { level: "", group: "", verdict: "", backend: "", text: "" };
const folded = new Set();
const haystacks = new Map();
const VERDICTS = [["", "any verdict"], ["failed", "failed somewhere"], ["differs", "backends differ"], ["pass", "pass"], ["fail", "fail, not known"], ["known", "known fail"], ["unsupported", "unsupported"], ["unverified", "unverified"], ["error", "error"], ["recorded", "recorded"], ["absent", "not run"]];

function shownBackends() {
  return data.backends.filter((backend) => !filters.backend || backend.id === filters.backend);
}

function haystack(id) {
  if (!haystacks.has(id)) {
    const rule = data.rules[id];
    const told = Object.values(data.cells[id]).flatMap((cell) => (cell.evidence || []).map((e) => e.case + " " + (e.message || "")));
    haystacks.set(id, [id, rule.title, rule.promise, ...told].join(" ").toLowerCase());
  }
  return haystacks.get(id);
}

function fits(id) {
  const rule = data.rules[id];
  if (filters.level && rule.level !== filters.level) { return false; }
  if (filters.group && rule.group !== filters.group) { return false; }
  const classes = shownBackends().map((backend) => cellClass(cellOf(id, backend.id)));
  if (filters.verdict === "failed" && !classes.some((c) => c === "fail" || c === "known" || c === "error")) { return false; }
  if (filters.verdict === "differs" && new Set(data.backends.map((b) => cellClass(cellOf(id, b.id)))).size < 2) { return false; }
  if (filters.verdict && !["failed", "differs"].includes(filters.verdict) && !classes.includes(filters.verdict)) { return false; }
  return filters.text.toLowerCase().split(/\s+/).filter(Boolean).every((word) => haystack(id).includes(word));
}

function tally(ids, backend) {
  const cells = ids.map((id) => cellOf(id, backend.id)).filter(Boolean);
  if (!cells.length) { return "not run"; }
  const count = (verdict) => cells.filter((cell) => cell.verdict === verdict).length;
  const told = [count("pass") + "/" + cells.length];
  for (const [verdict, sign] of [["fail", "✗"], ["error", "!"], ["unverified", "?"], ["unsupported", "–"]]) {
    if (count(verdict)) { told.push(sign + count(verdict)); }
  }
  return told.join(" ");
}

function ruleRow(id) {
  const rule = data.rules[id];
  return make("tr", { "data-rule": id },
    make("th", { scope: "row", title: rule.promise }, make("a", { href: "#rule-" + id }, id), rule.title),
    make("td", { class: "level quiet" }, rule.level),
    shownBackends().map((backend) => {
      const cell = cellOf(id, backend.id);
      return make("td", { class: "cell " + cellClass(cell) + (backend.emulated ? " emulated" : ""), tabindex: "-1", "data-backend": backend.id }, wordOf(cell));
    }));
}

function groupRow(group, ids) {
  const open = !folded.has(group.id);
  return make("tr", { class: "group" },
    make("th", { scope: "row" }, make("button", { type: "button", "aria-expanded": String(open), "data-group": group.id }, group.id + "  " + group.title)),
    make("td", { class: "level" }, String(ids.length)),
    shownBackends().map((backend) => make("td", { class: backend.emulated ? "emulated" : null }, tally(ids, backend))));
}

function drawMatrix() {
  const table = byId("matrix-table");
  const rows = [];
  let shown = 0;
  let all = 0;
  for (const group of data.groups) {
    const ids = group.rules.filter(fits);
    all += group.rules.length;
    shown += ids.length;
    if (ids.length) {
      rows.push(groupRow(group, ids));
      if (!folded.has(group.id)) { rows.push(...ids.map(ruleRow)); }
    }
  }
  if (!rows.length) { rows.push(make("tr", null, make("td", { colspan: 2 + shownBackends().length }, "No rule fits these filters."))); }
  table.tHead.replaceChildren(make("tr", null,
    make("th", { scope: "col", class: "promise" }, "Rule"),
    make("th", { scope: "col", class: "level" }, "Level"),
    shownBackends().map((backend) => make("th", { scope: "col", class: "backend" + (backend.emulated ? " emulated" : "") }, backend.name, backend.emulated ? make("span", { class: "tag" }, "emulated") : null))));
  table.tBodies[0].replaceChildren(...rows);
  byId("matrix-count").textContent = shown + " of " + all + " rules";
  table.style.setProperty("--columns", String(shownBackends().length));
  const first = table.querySelector("td.cell");
  if (first) { first.tabIndex = 0; }
}

function choice(name, label, options) {
  const select = make("select", { id: "filter-" + name }, options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => { filters[name] = select.value; filtersChanged(); });
  return make("label", null, label + " ", select);
}

function filtersChanged() {
  drawMatrix();
  const told = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, "", String(told) ? "#matrix?" + told : "#matrix");
}

function readFilters(query) {
  const told = new URLSearchParams(query);
  for (const name of Object.keys(filters)) {
    const field = byId("filter-" + name);
    const value = told.get(name) || "";
    field.value = value;
    filters[name] = field.value === value ? value : "";
    if (field.value !== value) { field.value = ""; }
  }
  drawMatrix();
}

function foldAll(fold) {
  data.groups.forEach((group) => fold ? folded.add(group.id) : folded.delete(group.id));
  drawMatrix();
}

function focusCell(cell) {
  if (!cell) { return; }
  byId("matrix-table").querySelectorAll('td.cell[tabindex="0"]').forEach((other) => { other.tabIndex = -1; });
  cell.tabIndex = 0;
  cell.focus();
}

function walk(cell, key) {
  const rows = [...byId("matrix-table").querySelectorAll("tr[data-rule]")];
  const at = rows.indexOf(cell.parentElement);
  const cells = [...cell.parentElement.querySelectorAll("td.cell")];
  const column = cells.indexOf(cell);
  const inRow = (row, n) => row && row.querySelectorAll("td.cell")[n];
  const places = {
    ArrowLeft: cells[column - 1], ArrowRight: cells[column + 1], Home: cells[0], End: cells[cells.length - 1],
    ArrowUp: inRow(rows[at - 1], column), ArrowDown: inRow(rows[at + 1], column),
    PageUp: inRow(rows[Math.max(0, at - 10)], column), PageDown: inRow(rows[Math.min(rows.length - 1, at + 10)], column),
  };
  if (!(key in places)) { return false; }
  focusCell(places[key]);
  return true;
}

function buildMatrix() {
  const search = make("input", { id: "filter-text", type: "search", size: "16", placeholder: "press / to search" });
  search.addEventListener("input", () => { filters.text = search.value; filtersChanged(); });
  const fold = (text, how) => { const button = make("button", { type: "button", id: "fold-" + text.split(" ")[0].toLowerCase() }, text); button.addEventListener("click", () => foldAll(how)); return button; };
  const levels = [...new Set(Object.keys(data.cells).map((id) => data.rules[id].level))];
  const table = make("table", { class: "grid", id: "matrix-table", role: "grid", "aria-label": "Rules by backends" }, make("thead"), make("tbody"));
  byId("matrix-body").append(
    make("div", { class: "controls" },
      choice("verdict", "Verdict", VERDICTS),
      choice("level", "Level", [["", "all levels"], ...levels.map((level) => [level, level])]),
      choice("group", "Group", [["", "all groups"], ...data.groups.map((group) => [group.id, group.id + "  " + group.title])]),
      choice("backend", "Backend", [["", "all backends"], ...data.backends.map((backend) => [backend.id, nameOf(backend)])]),
      make("label", null, "Find ", search), fold("Fold all", true), fold("Unfold all", false),
      make("span", { id: "matrix-count", class: "quiet", role: "status" })),
    scrolled("Every rule", table));
  if (Object.keys(data.cells).length * data.backends.length > FOLD_FROM) { data.groups.forEach((group) => folded.add(group.id)); }
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-group]");
    const cell = event.target.closest("td.cell");
    if (button) {
      const id = button.dataset.group;
      if (folded.has(id)) { folded.delete(id); } else { folded.add(id); }
      drawMatrix();
      table.querySelector('button[data-group="' + CSS.escape(id) + '"]').focus();
    } else if (cell) {
      focusCell(cell);
      go(cell.dataset.backend + "-" + cell.parentElement.dataset.rule);
    }
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td.cell");
    if (!cell || event.ctrlKey || event.altKey || event.metaKey) { return; }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); cell.click(); }
    else if (walk(cell, event.key)) { event.preventDefault(); }
  });
  drawMatrix();
}
