// The image browser: filters, order, keyboard and the address that leads back to what is seen.
(() => {
  const section = document.getElementById("images"), browser = document.getElementById("browser");
  if (!browser) return;
  const part = (name) => browser.querySelector(`[data-part="${name}"]`);
  const [form, box, viewer, told] = ["filters", "list", "viewer", "told"].map(part);
  const help = document.getElementById("keys-help");
  const PICKS = { label: "label", predicted: "predicted" };
  const USUAL = { text: "", label: "", predicted: "", right: "", level: "", sort: "", up: "", view: "2", image: "" };
  let table = null, list = null, view = null, state = { ...USUAL }, columns = {}, row = -1;

  browser.hidden = false;
  document.documentElement.classList.add("scripted");

  // Decoded when somebody comes near it, not while the page opens.
  function open() {
    if (table) return;
    table = imageTable(JSON.parse(document.getElementById("images-data").textContent));
    view = imageView(table, { turn, show });
    list = virtualList(box, { draw: (at) => view.listRow(at, state.sort), chosen: (at, byHand) => choose(at, { push: byHand }) });
    for (const name of Object.keys(PICKS)) fillOptions(form.elements[name], table.categories.get(name).values);
    for (const level of [...table.levelNames].reverse()) form.elements.level.add(new Option(level, level));
    for (const [name, { title }] of table.scores) form.elements.sort.add(new Option(title, name));
    [...table.columns].forEach(([name, column], place) => {
      const select = node("select", { name: `column-${place}` }, new Option("any", ""));
      fillOptions(select, column.values);
      part("columns").append(node("label", {}, node("span", {}, bdi(name)), select));
    });
    restore();
  }
  function fillOptions(select, values) {
    for (const value of [...values].filter(Boolean).sort((a, b) => a.localeCompare(b))) select.add(new Option(value, value));
  }

  // -- what is shown -----------------------------------------------------------------------------------------------
  function refilter() {
    const picks = Object.keys(PICKS).filter((name) => state[name]).map((name) => [table.categories.get(PICKS[name]), state[name]]);
    for (const [name, value] of Object.entries(columns)) if (table.columns.has(name)) picks.push([table.columns.get(name), value]);
    list.show(table.select({ ...state, up: state.up === "1", picks }));
    const shown = list.rows().length;
    told.textContent = `${shown.toLocaleString("en")} of ${table.n.toLocaleString("en")} images`;
    box.classList.toggle("nothing", shown === 0);
  }
  function choose(next, { push = false, focus = false } = {}) {
    row = next;
    state.image = row < 0 ? "" : table.linkOf(row);
    list.choose(row);
    paint(focus);
    if (push !== null) remember(push);
  }
  function paint(focus) {
    const held = viewer.contains(document.activeElement);
    if (row < 0) { viewer.replaceChildren(node("p", { className: "empty", textContent: "No image passes these filters." })); return; }
    const element = view.article(row, Number(state.view), list.place(), list.rows().length);
    viewer.replaceChildren(element);
    element.dispatchEvent(new CustomEvent("bias-audit:target", { bubbles: true }));
    if (focus || held) element.focus({ preventScroll: true });
  }
  function turn(by) {
    const next = list.rows()[list.place() + by];
    if (next !== undefined) choose(next, { focus: true });
  }
  function show(number) {
    if (row < 0) return;
    state.view = String(number);
    view.turnTo(viewer.firstElementChild, row, number);
    remember(false);
  }

  // -- the address -------------------------------------------------------------------------------------------------
  function remember(push) {
    const address = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== USUAL[name]) address.set(name, value);
    for (const [name, value] of Object.entries(columns)) address.append("column", `${name}=${value}`);
    const hash = `#${address}`;
    if (hash === location.hash || hash === "#") return;
    if (push) history.pushState(null, "", hash); else history.replaceState(null, "", hash);
  }
  // Other links of the page have no "=" in them.
  const isOurs = () => location.hash.includes("=");
  function restore() {
    const address = new URLSearchParams(isOurs() ? location.hash.slice(1) : "");
    state = { ...USUAL };
    for (const name of Object.keys(USUAL)) if (address.has(name)) state[name] = address.get(name);
    if (!/^[1-4]$/.test(state.view)) state.view = USUAL.view;
    columns = Object.fromEntries(address.getAll("column").map((pair) => { const at = pair.lastIndexOf("="); return [pair.slice(0, at), pair.slice(at + 1)]; }).filter(([name, value]) => table.columns.has(name) && value));
    for (const name of ["text", "label", "predicted", "right", "level", "sort"]) {
      form.elements[name].value = state[name];
      if (form.elements[name].value !== state[name]) { state[name] = ""; form.elements[name].value = ""; }
    }
    form.elements.up.checked = state.up === "1";
    [...table.columns.keys()].forEach((name, place) => { form.elements[`column-${place}`].value = columns[name] ?? ""; });
    refilter();
    const linked = state.image, asked = linked ? table.rowOf(linked) : -1;
    choose(asked >= 0 ? asked : list.rows()[0] ?? -1, { push: null });
    if (linked && asked < 0) told.textContent += "; the image of this link is not in this report";
  }
  function follow() {
    if (!isOurs()) return;
    open();
    restore();
    if (!isInSight()) section.scrollIntoView();
  }

  // -- filters -----------------------------------------------------------------------------------------------------
  function changed(push) {
    for (const name of ["text", "label", "predicted", "right", "level", "sort"]) state[name] = form.elements[name].value;
    state.up = form.elements.up.checked ? "1" : "";
    columns = {};
    [...table.columns.keys()].forEach((name, place) => { const value = form.elements[`column-${place}`].value; if (value) columns[name] = value; });
    refilter();
    const kept = list.rows().includes(row) && row >= 0 ? row : list.rows()[0] ?? -1;
    choose(kept, { push });
  }
  let typing = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    if (event.target.name === "text") typing = setTimeout(() => changed(false), 120);
  });
  form.addEventListener("change", (event) => { if (event.target.name !== "text") changed(true); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); changed(true); });
  form.addEventListener("reset", () => setTimeout(() => changed(true)));
  part("opacity").addEventListener("input", (event) => document.documentElement.style.setProperty("--heat-opacity", event.target.value));

  // -- keyboard ----------------------------------------------------------------------------------------------------
  const near = () => { open(); if (!isInSight()) section.scrollIntoView(); };
  const isInSight = () => { const place = browser.getBoundingClientRect(); return place.top < innerHeight * 0.7 && place.bottom > innerHeight * 0.3; };
  const keys = {
    j: () => { near(); turn(1); },
    k: () => { near(); turn(-1); },
    "/": () => { near(); form.elements.text.focus(); },
    "?": () => help.showModal(),
    ...Object.fromEntries(VIEWS.map((_, at) => [String(at + 1), () => { near(); show(at + 1); }])),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    const field = event.target.closest?.("input:not([type=checkbox]):not([type=range]), textarea, select, [contenteditable]");
    if (event.key === "Escape" && field?.name === "text" && form.contains(field)) { field.blur(); return; }
    if (field || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  part("help").addEventListener("click", () => help.showModal());
  help.querySelector("button").addEventListener("click", () => help.close());

  // A thumbnail anywhere in the page leads to its image here.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-picture]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
    bring(table.rowOfPicture(link.dataset.picture));
  });
  // And so does whoever asks for one by its key.
  document.addEventListener("bias-audit:show", (event) => {
    open();
    if (bring(table.rowOf(event.detail))) event.preventDefault();
  });
  document.addEventListener("bias-audit:search", (event) => {
    open();
    form.elements.text.value = event.detail;
    changed(true);
    section.scrollIntoView();
  });
  function bring(at) {
    if (at < 0) return false;
    if (!list.rows().includes(at)) { form.reset(); state = { ...USUAL }; columns = {}; refilter(); }
    choose(at, { push: true, focus: true });
    section.scrollIntoView();
    return true;
  }

  addEventListener("popstate", () => { if (table && !location.hash) restore(); else follow(); });
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); open(); }
  }, { rootMargin: "800px" }).observe(browser);
  if (isOurs()) follow();
})();
