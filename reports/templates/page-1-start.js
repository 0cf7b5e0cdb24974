"use strict";
// The page's data and the small tools of the other parts.  Texts of a run are foreign: they become text
// nodes and nothing else; no part of this script writes HTML.

const byId = (id) => document.getElementById(id);
let data = null;

// An element with attributes; children are elements or texts, what is null is left out.
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) { made.setAttribute(name, value === true ? "" : value); }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== "") { made.append(child); }
  }
  return made;
}

// A promise: its `backticked` parts as code.
function withCode(text) {
  return text.split(/(`[^`]+`)/).map((part) => part.length > 2 && part.startsWith("`") && part.endsWith("`") ? make("code", null, part.slice(1, -1)) : part);
}

// A link if a browser may be sent there, else the text.
function linkTo(address, text) {
  return address && /^https?:\/\//.test(address) ? make("a", { href: address, rel: "noopener noreferrer" }, text) : text;
}

function backendOf(id) { return data.backends.find((backend) => backend.id === id); }
function nameOf(backend) { return backend.emulated ? backend.name + " (emulated)" : backend.name; }
function cellOf(rule, backend) { return (data.cells[rule] || {})[backend] || null; }
function cellClass(cell) {
  if (!cell) { return "absent"; }
  return cell.word === "known fail" ? "known" : cell.word === "recorded" ? "recorded" : cell.verdict;
}
function wordOf(cell) { return cell ? cell.word : "not run"; }

function scrolled(label, table) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label + ", table" }, table);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}
