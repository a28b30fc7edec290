"use strict";
// Extras only: everything on the page can be read without this script.

// Tables: a button in each column head sorts the rows; missing values stay last in both directions.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // The first click on a number shows the largest values, on the names the first letters.
      const first = column === 0 ? "ascending" : "descending";
      const other = column === 0 ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((cell) => cell.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const key = (row) => row.cells[column].dataset.value;
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (column === 0) return sign * x.localeCompare(y);
        if (x === "" || y === "") return (x === "") - (y === "");
        return sign * (Number(x) - Number(y));
      });
      body.append(...rows);
    });
  });
}

// A link to a finding opens it; links to what lies within a fold need no script.
function unfold() {
  const target = location.hash.length > 1 && !location.hash.includes("=") && document.getElementById(location.hash.slice(1));
  if (target && target.matches(".finding")) target.querySelector("details").open = true;
}
addEventListener("hashchange", unfold);
unfold();

// Search: the lines of the findings and of the other outcomes, and on request the images.
(() => {
  const field = document.getElementById("search"), told = document.getElementById("search-told");
  const lines = [...document.querySelectorAll(".finding, .rule-outcome")];
  const texts = new Map(lines.map((line) => [line, line.textContent.toLowerCase()]));
  const found = lines.filter((line) => line.matches(".finding"));
  field.parentElement.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const line of lines) line.hidden = !words.every((word) => texts.get(line).includes(word));
    told.replaceChildren();
    if (!words.length) return;
    told.append(`${found.filter((line) => !line.hidden).length} of ${found.length} findings. `);
    if (!document.getElementById("browser")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Search the images for \u201c${field.value.trim()}\u201d`;
    button.addEventListener("click", () => document.dispatchEvent(new CustomEvent("bias-audit:search", { detail: field.value })));
    told.append(button);
  });
})();

// Paper has no folds: open them for printing, and close again those that were closed.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
});
