"use strict";
// Filtering, sorting and copying. Without this script every row is shown and every text can be selected.
(function () {
  var controls = document.getElementById("controls");
  var choice = document.getElementById("show");
  var search = document.getElementById("search");
  var count = document.getElementById("count");
  var rows = Array.prototype.slice.call(document.querySelectorAll(".rules tbody tr"));

  function filter() {
    var words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    var shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      var fits = words.every(function (word) { return text.indexOf(word) >= 0; });
      if (choice.value === "differs") { fits = fits && row.dataset.differs === "yes"; }
      if (choice.value === "failed") { fits = fits && row.dataset.failed === "yes"; }
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    document.querySelectorAll(".rules").forEach(function (table) {
      table.parentNode.hidden = !table.querySelector("tbody tr:not([hidden])");
    });
    count.textContent = shown + " of " + rows.length + " rules";
  }

  if (controls) {
    controls.hidden = false;
    choice.addEventListener("change", filter);
    search.addEventListener("input", filter);
    filter();
  }

  function key(cell) {
    var raw = cell.dataset.value;
    return raw === undefined || raw === "" ? null : Number(raw);
  }

  function sort(table, column, upwards) {
    var body = table.tBodies[0];
    var sorted = Array.prototype.slice.call(body.rows).sort(function (a, b) {
      var one = a.cells[column], two = b.cells[column], order;
      if (one.hasAttribute("data-value")) {
        if (key(one) === null || key(two) === null) { return (key(one) === null) - (key(two) === null); }
        order = key(one) - key(two);
      } else {
        order = one.textContent.trim().localeCompare(two.textContent.trim());
      }
      return upwards ? order : -order;
    });
    sorted.forEach(function (row) { body.appendChild(row); });
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      if (head.dataset.fixed !== undefined) { return; }
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent.trim();
      button.title = "Sort by " + button.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var upwards = head.getAttribute("aria-sort") !== "ascending";
        table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
        sort(table, column, upwards);
      });
    });
  });

  document.querySelectorAll("pre[data-copy]").forEach(function (block) {
    if (!navigator.clipboard) { return; }
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy small";
    button.textContent = "Copy reproducer";
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(block.textContent).then(
        function () { button.textContent = "Copied"; },
        function () { button.textContent = "Could not copy: select the text"; }
      );
    });
    block.parentNode.insertBefore(button, block);
  });
})();
