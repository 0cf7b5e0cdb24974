// Sections that are rendered when they are opened, and the way to whatever an address names.

function sortBy(table, column, button) {
  const up = button.parentElement.getAttribute("aria-sort") !== "ascending";
  const value = (row) => { const text = row.cells[column].textContent; const figure = parseFloat(text.replace(/,/g, "")); return Number.isNaN(figure) ? text : figure; };
  const rows = [...table.tBodies[0].rows].sort((a, b) => { const [x, y] = [value(a), value(b)]; const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)); return up ? order : -order; });
  table.querySelectorAll("th[aria-sort]").forEach((head) => head.removeAttribute("aria-sort"));
  button.parentElement.setAttribute("aria-sort", up ? "ascending" : "descending");
  table.tBodies[0].replaceChildren(...rows);
}

function plainTable(title, note, head, rows, figures, sortable) {
  const table = make("table", { class: sortable ? "sortable" : null });
  if (title) { table.append(make("caption", null, title, note ? make("span", { class: "quiet small" }, note) : null)); }
  const heads = head.map((text, column) => {
    const cell = make("th", { scope: "col", class: figures.includes(column) ? "figure" : null }, sortable ? null : text);
    if (sortable) { const button = make("button", { type: "button" }, text); button.addEventListener("click", () => sortBy(table, column, button)); cell.append(button); }
    return cell;
  });
  table.append(make("thead", null, make("tr", null, heads)), make("tbody", null, rows.map((row) => make("tr", null, row.map((value, column) =>
    column ? make("td", { class: figures.includes(column) ? "figure" : "lines" }, value) : make("th", { scope: "row" }, value))))));
  return scrolled(title || head.join(", "), table);
}

function dataTable(id) {
  const told = data.tables[id];
  return told ? plainTable(told.title, told.note, told.head, told.rows, told.figures, told.rows.length > 8) : null;
}

function ruleLink(backend, rule) { return make("a", { href: "#" + backend + "-" + rule }, rule); }

function findingsSection() {
  const rows = data.findings.map((f) => [ruleLink(f.backend, f.rule), data.rules[f.rule].level, nameOf(backendOf(f.backend)), f.message,
    f.known ? make("span", null, "known: " + f.why + (f.upstream ? " " : ""), f.upstream ? linkTo(f.link, f.upstream) : null) : make("strong", { class: "fail" }, "new"), f.script]);
  const made = [rows.length ? plainTable("", "", ["Rule", "Level", "Backend", "What was seen", "Known", "Reproducer"], rows, [], true) : make("p", null, "No rule failed.")];
  for (const [key, title] of [["errors", "Faults of the harness"], ["stale", "Stale expectations: the check passes now"]]) {
    if (data.troubles[key].length) { made.push(plainTable(title, "", ["Backend", "Rule", "Case", "Message", "Expected was"], data.troubles[key], [], false)); }
  }
  return made;
}

function portabilitySection() {
  const rows = data.portability.map((row, position) => make("tr", null,
    make("th", { scope: "row" }, make("a", { href: "#answers-" + position }, row.rule), row.question || data.rules[row.rule].title),
    make("td", { class: "level" }, row.differs ? "differs" : "same"),
    data.backends.map((backend) => make("td", { class: backend.emulated ? "emulated" : null }, (row.answers[backend.id] || []).map(([text]) => text).join("; ") || "not measured"))));
  const table = make("table", { class: "grid" },
    make("thead", null, make("tr", null, make("th", { scope: "col", class: "promise" }, "What is left to the store"), make("th", { scope: "col", class: "level" }, "Differs"), data.backends.map((backend) => make("th", { scope: "col", class: "backend" }, nameOf(backend))))),
    make("tbody", null, rows));
  table.style.setProperty("--columns", String(data.backends.length));
  return [make("p", { class: "small quiet" }, "Nothing here is wrong, but code that relies on one answer does not move. The id opens the answers side by side."), scrolled("Portability", table)];
}

function picturesSection() {
  const drawn = Object.values(data.pictures).map((picture) => make("figure", null, make("figcaption", null, picture.title), make("img", { src: picture.svg, alt: picture.alt }),
    data.tables[picture.id] ? lazyTable(picture.id) : null));
  return [drawn.length ? make("div", { class: "pictures" }, drawn) : make("p", null, "No picture was drawn: matplotlib is not installed, or the run has no figures. The tables are under Figures.")];
}

function lazyTable(id) {
  const box = make("details", null, make("summary", null, "The figures as a table"));
  box.addEventListener("toggle", () => { if (box.open && box.childElementCount === 1) { box.append(dataTable(id)); } });
  return box;
}

const SECTIONS = {
  findings: findingsSection,
  portability: portabilitySection,
  pictures: picturesSection,
  figures: () => ["restarts", "latency", "latency-all", "embedding", "writers", "recall", "disk", "concurrency", "left", "trend", "trend-latency"].map(dataTable),
  checklist: () => [dataTable("checklist")],
  run: () => ["seconds", "backends", "run", "measurements"].map(dataTable),
};

function fill(section) {
  const body = section.querySelector(".body");
  if (!section.open || body.childElementCount) { return; }
  body.append(...SECTIONS[section.id]().filter(Boolean));
}

function go(place) { if (location.hash === "#" + place) { follow(); } else { location.hash = place; } }

// Does what the address says: opens a cell, a rule, a derivation, answers, or sets the filters.
function follow() {
  const place = decodeURIComponent(location.hash.slice(1));
  if (place.startsWith("matrix?")) { readFilters(place.slice(7)); byId("matrix").scrollIntoView(); return; }
  const section = byId(place);
  if (section && section.matches(".lazy")) { section.open = true; fill(section); section.scrollIntoView(); return; }
  if (place.startsWith("why-") && section) { openWhy(place); return; }
  if (section) { return; }
  if (place.startsWith("answers-") && data.portability[Number(place.slice(8))]) { openAnswers(Number(place.slice(8))); return; }
  if (place.startsWith("rule-") && data.rules[place.slice(5)]) { openRule(place.slice(5)); return; }
  const backend = data.backends.find((b) => place.startsWith(b.id + "-") && data.rules[place.slice(b.id.length + 1)]);
  if (backend) { openCell(place.slice(backend.id.length + 1), backend.id); }
}

async function start() {
  if (typeof DecompressionStream === "undefined") {
    byId("matrix-body").append(make("p", null, "This browser cannot unpack the page's data (no DecompressionStream); report.md has the tables."));
    return;
  }
  data = await unpack(byId("data").textContent);
  buildMatrix();
  document.querySelectorAll(".lazy").forEach((section) => { fill(section); section.addEventListener("toggle", () => fill(section)); });
  byId("panel-close").addEventListener("click", closePanel);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { closePanel(); }
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) { event.preventDefault(); byId("filter-text").focus(); }
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => ["findings", "figures"].forEach((id) => { const section = byId(id); section.open = true; fill(section); }));
  follow();
  document.documentElement.dataset.ready = "yes";
}

start();
