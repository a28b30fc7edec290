// A list of any length of which only the rows in sight are in the document: a listbox for keyboard and screen reader.
const ROW_HEIGHT = 60, BEYOND = 6;

function virtualList(box, { draw, chosen }) {
  const sheet = document.createElement("div");
  sheet.setAttribute("role", "presentation");
  sheet.className = "sheet";
  box.append(sheet);
  let rows = [], place = -1, shown = new Map(), waiting = false;

  function paint() {
    waiting = false;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - BEYOND);
    const last = Math.min(rows.length - 1, Math.ceil((box.scrollTop + box.clientHeight) / ROW_HEIGHT) + BEYOND);
    for (const [at, element] of shown) if (at < first || at > last) { element.remove(); shown.delete(at); }
    for (let at = first; at <= last; at++) {
      if (shown.has(at)) continue;
      const element = draw(rows[at]);
      element.id = `option-${at}`;
      element.setAttribute("role", "option");
      element.setAttribute("aria-posinset", at + 1);
      element.setAttribute("aria-setsize", rows.length);
      element.style.top = `${at * ROW_HEIGHT}px`;
      element.dataset.place = at;
      shown.set(at, element);
    }
    // Screen readers go by the order in the document.
    sheet.append(...[...shown.keys()].sort((a, b) => a - b).map((at) => shown.get(at)).filter((element, i) => sheet.children[i] !== element));
    for (const [at, element] of shown) element.setAttribute("aria-selected", at === place);
    if (shown.has(place)) box.setAttribute("aria-activedescendant", `option-${place}`);
    else box.removeAttribute("aria-activedescendant");
  }
  function soon() {
    if (!waiting) { waiting = true; requestAnimationFrame(paint); }
  }
  function reveal(at) {
    const top = at * ROW_HEIGHT, bottom = top + ROW_HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
    paint();
  }

  box.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(soon).observe(box);
  box.addEventListener("click", (event) => {
    const element = event.target.closest("[role=option]");
    if (element) chosen(rows[Number(element.dataset.place)], true);
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !rows.length) return;
    const page = Math.max(1, Math.floor(box.clientHeight / ROW_HEIGHT) - 1), last = rows.length - 1;
    const steps = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + page, PageUp: place - page, Home: 0, End: last };
    if (!Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    chosen(rows[Math.min(last, Math.max(0, steps[event.key]))], false);
  });

  return {
    show(next) {
      rows = next;
      for (const element of shown.values()) element.remove();
      shown = new Map();
      place = -1;
      sheet.style.height = `${rows.length * ROW_HEIGHT}px`;
      box.scrollTop = 0;
      paint();
    },
    redraw() {
      for (const element of shown.values()) element.remove();
      shown = new Map();
      paint();
    },
    choose(row) {
      place = rows.indexOf(row);
      if (place >= 0) reveal(place); else paint();
    },
    place: () => place,
    rows: () => rows,
  };
}
