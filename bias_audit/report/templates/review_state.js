// What is still to be decided, and the way from one to the next.

// As review/agreement.py has it: where those who decided do not all say the same, it is not decided.
const stateOf = (decisions) => ["undecided", "decided"][new Set(decisions.map((each) => each.verdict)).size] ?? "disagreement";

// Args: the store of decisions, and the key of a target that the page calls by another name.
function remaining(store, keyOf) {
  const stateAt = (key) => stateOf(store.view(key));
  const among = (keys, state) => keys.filter((key) => stateAt(key) === state);
  // Images that somebody decided about, in this run: nobody means to decide about every image.
  function images() {
    const lost = new Set(store.lost().map((each) => each.target_key));
    return [...store.keys()].filter((key) => !lost.has(key) && store.view(key).some((each) => each.target_kind === "image"));
  }
  function elements() {
    const found = new Map();
    for (const element of document.querySelectorAll("[data-target-key]:not([data-target-kind=image])")) {
      const key = keyOf(element.dataset.targetKey);
      if (!found.has(key)) found.set(key, element); // a cue may stand in the page twice
    }
    return found;
  }
  // Findings and cues that are not decided, in the order of the page, then images that reviewers disagree about.
  const wanted = () => [...[...elements().keys()].filter((key) => stateAt(key) !== "decided"), ...among(images(), "disagreement")];

  let last = "";
  document.addEventListener("focusin", (event) => {
    const target = event.target.closest?.("[data-target-key]");
    if (target) last = keyOf(target.dataset.targetKey);
  });
  function visit(key, element) {
    // Images are shown by their browser, which says so by preventing the default.
    if (!element) return !document.dispatchEvent(new CustomEvent("bias-audit:show", { detail: key, cancelable: true }));
    for (const fold of [element.matches(".finding") && element.querySelector("details"), element.closest("details")]) {
      for (let each = fold; each; each = each.parentElement.closest("details")) each.open = true;
    }
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    element.scrollIntoView();
    return true;
  }
  function next() {
    const found = elements(), open = new Set(wanted()), all = [...found.keys(), ...images()], from = all.indexOf(last) + 1;
    const key = [...all.slice(from), ...all.slice(0, from)].find((each) => open.has(each) && visit(each, found.get(each)));
    if (key) last = key;
  }
  return { among, images, wanted, next };
}
