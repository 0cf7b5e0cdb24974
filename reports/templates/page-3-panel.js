// The side panel: one rule with what every backend did about it, and the evidence of one of them.

let opener = null;

function openPanel(title, ...content) {
  const panel = byId("panel");
  if (panel.hidden) { opener = document.activeElement; }
  const heading = make("h3", { id: "panel-title", tabindex: "-1" }, title);
  byId("panel-body").replaceChildren(heading, ...content.filter(Boolean));
  panel.hidden = false;
  panel.scrollTop = 0;
  heading.focus();
}

function closePanel() {
  const panel = byId("panel");
  if (panel.hidden) { return; }
  panel.hidden = true;
  document.querySelectorAll(".chosen-cell").forEach((cell) => cell.classList.remove("chosen-cell"));
  history.replaceState(null, "", "#matrix");
  const back = opener && opener.isConnected && opener !== document.body ? opener : document.querySelector('#matrix-table td.cell[tabindex="0"]');
  if (back) { back.focus(); }
}

function pairs(entries) {
  const told = entries.filter(([, value]) => value !== null && value !== undefined);
  return told.length ? make("dl", null, told.map(([term, value]) => [make("dt", null, term), make("dd", null, value)])) : null;
}

function copyButton(block) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    const picked = getSelection();
    picked.selectAllChildren(block);
    let done = false;
    try { await navigator.clipboard.writeText(block.textContent); done = true; } catch { done = document.execCommand("copy"); }
    button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
    if (done) { picked.removeAllRanges(); }
  });
  return button;
}

function reproducer(evidence) {
  if (!evidence.script) { return evidence.verdict === "fail" ? make("p", { class: "small quiet" }, "This run made no script for this case.") : null; }
  const block = make("pre", { tabindex: "0" }, evidence.script);
  return make("div", null, make("p", { class: "small" }, "Reproducer: " + evidence.confirmed + ". ", copyButton(block)), block);
}

function mono(text) { return text === undefined ? null : make("span", { class: "mono" }, text); }

function evidenceBlock(evidence) {
  return make("div", { class: "evidence" },
    make("p", null, make("code", null, evidence.case), " (" + evidence.modes.join(", ") + "): ", make("strong", { class: evidence.verdict }, evidence.verdict)),
    evidence.message ? make("p", null, evidence.message) : null,
    pairs([
      ["expected", mono(evidence.expected)], ["came back", mono(evidence.got)],
      ["known because", evidence.known === undefined ? null : evidence.known],
      ["upstream", evidence.upstream === undefined ? null : linkTo(evidence.link, evidence.upstream)],
    ]),
    evidence.calls ? make("details", { open: !evidence.script }, make("summary", null, "The last calls"), make("pre", { tabindex: "0" }, evidence.calls.join("\n"))) : null,
    reproducer(evidence));
}

function checksOf(cell) {
  const told = (cell.plain || []).map(([name, modes, verdict, message]) =>
    make("li", null, make("span", { class: verdict }, verdict), " ", make("code", null, name), message ? ": " + message : "", modes ? " (" + modes + ")" : ""));
  return told.length ? make("details", { open: !cell.evidence }, make("summary", null, told.length + (told.length === 1 ? " case" : " cases") + " that passed or do not apply"), make("ul", { class: "small" }, told)) : null;
}

// The backends side by side: what came back from each for the case that the chosen one shows first.
function sides(rule, chosen) {
  const first = ((cellOf(rule.id, chosen) || {}).evidence || [])[0];
  const rows = data.backends.map((backend) => {
    const cell = cellOf(rule.id, backend.id);
    const same = cell && first && (cell.evidence || []).find((e) => e.case === first.case);
    const shown = same || (cell && (cell.evidence || [])[0]);
    const pick = make("button", { type: "button", "aria-pressed": String(backend.id === chosen) }, nameOf(backend));
    pick.addEventListener("click", () => go(backend.id + "-" + rule.id));
    const came = shown ? (shown.got !== undefined ? mono(shown.got) : shown.message) : cell ? (cell.verdict === "pass" ? "as promised" : ((cell.plain || [])[0] || [])[3]) : null;
    return make("tr", { class: (backend.id === chosen ? "chosen-row" : "") },
      make("th", { scope: "row" }, pick), make("td", null, make("span", { class: "v " + cellClass(cell) }, wordOf(cell))), make("td", null, came || ""));
  });
  const expected = first && first.expected !== undefined ? make("p", null, "Expected: ", mono(first.expected)) : null;
  return [make("h4", null, "What came back"), expected, make("table", { class: "sides" },
    make("thead", null, make("tr", null, ["Backend", "Verdict", "Came back"].map((text) => make("th", { scope: "col" }, text)))), make("tbody", null, rows))];
}

const LEVELS = { MUST: "MUST: written in a docstring or in the docs.", SHOULD: "SHOULD: follows from the data model or from what most stores do.", IMPL: "IMPL: left to the store; recorded, never failed." };

function ruleHead(rule) {
  return [make("p", null, withCode(rule.promise)), make("p", { class: "small quiet" }, LEVELS[rule.level] || rule.level),
    make("p", { class: "small" }, "Where it is written: ", rule.source.map(([text, address]) => linkTo(address, text)))];
}

function openCell(ruleId, backendId) {
  const rule = data.rules[ruleId];
  const backend = backendOf(backendId);
  const cell = cellOf(ruleId, backendId);
  document.querySelectorAll(".chosen-cell").forEach((other) => other.classList.remove("chosen-cell"));
  const place = document.querySelector('#matrix-table tr[data-rule="' + CSS.escape(ruleId) + '"] td[data-backend="' + CSS.escape(backendId) + '"]');
  if (place) { place.classList.add("chosen-cell"); }
  const answers = data.portability.filter((row) => row.rule === ruleId);
  openPanel(ruleId + " on " + nameOf(backend) + ": " + rule.title, ...ruleHead(rule), ...sides(rule, backendId),
    make("h4", null, "Evidence of " + nameOf(backend)),
    backend.emulated ? make("p", { class: "small" }, make("span", { class: "tag" }, "emulated"), " Its verdicts speak of the adapter and the emulator, and say nothing about the service.") : null,
    ...(cell ? [...(cell.evidence || []).map(evidenceBlock), checksOf(cell)] : [make("p", null, "This rule was not run on this backend.")]),
    ...(answers.length ? [make("h4", null, "What it leaves to the store"), ...answers.map(answersTable)] : []));
}

function openRule(ruleId) {
  const failing = data.backends.find((backend) => ["fail", "known", "error"].includes(cellClass(cellOf(ruleId, backend.id))));
  openCell(ruleId, (failing || data.backends[0]).id);
}

function answersTable(row) {
  return make("table", { class: "sides" }, make("caption", null, row.question || "What each does"),
    make("thead", null, make("tr", null, ["Backend", "What it does"].map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", null, data.backends.map((backend) => make("tr", null, make("th", { scope: "row" }, nameOf(backend)),
      make("td", { class: "mono" }, (row.answers[backend.id] || []).map(([text, modes]) => text + (row.answers[backend.id].length > 1 && modes ? " (" + modes + ")" : "")).join("; ") || "not measured")))));
}

function openAnswers(position) {
  const row = data.portability[position];
  const rule = data.rules[row.rule];
  openPanel(row.rule + ", left to the store: " + (row.question || rule.title), ...ruleHead(rule), answersTable(row));
}

function openWhy(id) {
  const told = byId(id);
  const heading = told.closest("section").querySelector("h3").textContent;
  const who = told.previousElementSibling.textContent;
  openPanel(heading + " of " + who, make("p", null, ...[...told.cloneNode(true).childNodes]), make("p", { class: "small quiet" }, told.closest("section").querySelector("p").textContent));
}
