// Decisions about findings, cues and images, in every element with data-target-key and an empty .decide inside.
// Served by `bias-audit review` they are saved at once; in a file they are kept in the browser and downloaded.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
  const about = read("decide"), served = read("review");
  const VERDICTS = [["bias", "b", "Bias"], ["legitimate context", "l", "Legitimate context"], ["wrong mask", "m", "Wrong mask"], ["wrong label", "w", "Wrong label"]];
  const POLL = 4000, RETRY = 2000;
  const LEGITIMATE = VERDICTS[1][0];
  const panels = new Set();
  const keyOf = (name) => Object.hasOwn(about.keys, name) ? about.keys[name] : name;
  const targetOf = (key) => Object.hasOwn(about.targets, key) ? about.targets[key] : null;

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }
  // A label with its key underlined; "" = it has none.
  function keyed(label, letter) {
    const at = letter ? label.toLowerCase().indexOf(letter) : -1;
    return at < 0 ? [label] : [label.slice(0, at), make("u", { textContent: label[at] }), label.slice(at + 1)];
  }
  // A browser may forbid storage, above all to a file: then a decision lives as long as its page.
  const storage = {
    get(name) { try { return JSON.parse(localStorage.getItem(`bias-audit:${name}`)); } catch { return null; } },
    set(name, value) { try { localStorage.setItem(`bias-audit:${name}`, JSON.stringify(value)); return true; } catch { return false; } },
    drop(name) { try { localStorage.removeItem(`bias-audit:${name}`); } catch { /* it was never kept */ } },
    all(prefix) { try { return Object.keys(localStorage).filter((name) => name.startsWith(`bias-audit:${prefix}`)).map((name) => JSON.parse(localStorage.getItem(name))); } catch { return []; } },
  };
  const newId = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const byTime = (a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1);

  // What stands per reviewer: the last word that was not taken back.
  function latest(decisions, withdrawn) {
    const standing = new Map();
    for (const decision of [...decisions].sort(byTime)) if (!Object.hasOwn(withdrawn, decision.id)) standing.set(decision.reviewer, decision);
    return [...standing.values()].sort(byTime);
  }

  // The store of a file.
  function kept() {
    const name = `decisions:${about.data}`;
    const local = storage.get(name) ?? { decisions: [], withdrawn: {} };
    const byKey = new Map(), seen = new Set();
    const learn = (decision) => {
      if (seen.has(decision.id)) return;
      seen.add(decision.id);
      byKey.set(decision.target_key, [...(byKey.get(decision.target_key) ?? []), decision]);
    };
    [...about.decisions, ...local.decisions].forEach(learn);
    const of = (key) => byKey.get(key) ?? [];
    const changed = () => {
      const lasting = storage.set(name, local);
      bar.say(lasting ? "Kept in this browser. Download the decisions to hand them on." : "Kept in this page only: download the decisions before you close it.", !lasting);
      refresh();
    };
    return {
      view: (key) => latest(of(key), local.withdrawn),
      keys: () => byKey.keys(),
      lost: () => [],
      decide(decision) {
        const before = of(decision.target_key).filter((each) => each.reviewer === decision.reviewer).map((each) => Date.parse(each.time));
        const time = new Date(Math.max(Date.now(), ...before.map((each) => each + 1))).toISOString();
        local.decisions.push({ ...decision, time, id: newId() });
        learn(local.decisions.at(-1));
        changed();
      },
      undo(key, reviewer) {
        const mine = latest(of(key), local.withdrawn).find((each) => each.reviewer === reviewer);
        if (!mine) return;
        local.withdrawn[mine.id] = new Date().toISOString();
        changed();
      },
      history: async (key) => [...of(key)].sort(byTime).map((decision) => ({ decision, withdrawn: local.withdrawn[decision.id] ?? "" })),
      download() {
        const decisions = local.decisions.filter((each) => !Object.hasOwn(local.withdrawn, each.id));
        const text = JSON.stringify({ format_version: 1, data: about.data, decisions, withdrawn: local.withdrawn }, null, 1);
        const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "decisions.json" });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
        bar.say("Downloaded. Take it into the run: bias-audit review RUN --import decisions.json", false);
      },
      used: () => local.decisions.length > 0 || Object.keys(local.withdrawn).length > 0,
      start() {},
    };
  }

  // The store of the server. What was not answered yet waits in the browser's storage too, an entry each, so that it
  // outlives page and server; a page that sends it twice changes nothing, since the server knows it by its id.
  function remote() {
    const name = (entry) => `waiting:${about.data}:${entry.entry}`;
    const known = new Map();
    const queue = storage.all(`waiting:${about.data}:`).sort((a, b) => a.at - b.at);
    let answered = []; // stored by the server, and not yet seen in what it lists
    let version = 0, lost = [], sending = false, silent = false, timer = 0;
    const waiting = () => queue.length && `NOT SAVED: ${queue.length} decision${queue.length > 1 ? "s" : ""} wait for the server. Leave this page open; trying again.`;
    async function ask(path, body) {
      const options = body ? { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : {};
      const answer = await fetch(`${served.api}/${path}`, { ...options, cache: "no-store", credentials: "omit" });
      const content = await answer.json().catch(() => ({}));
      if (!answer.ok) throw Object.assign(new Error(content.error ?? answer.statusText), { status: answer.status });
      return content;
    }
    async function poll() {
      const before = answered;
      try {
        let answer = await ask(`decisions?since=${version}`);
        if (answer.version < version) { known.clear(); answer = await ask("decisions?since=0"); }
        if (answer.data !== about.data) bar.say("The run was audited again on other data: load this page again.", true);
        version = answer.version;
        for (const [key, decisions] of Object.entries(answer.targets)) known.set(key, decisions);
        answered = answered.filter((each) => !before.includes(each));
        lost = [...new Set([...lost, ...answer.lost])].filter((key) => known.get(key)?.length);
        if (silent && !queue.length) bar.say("The server answers again.", false);
        silent = false;
        if (before.length || Object.keys(answer.targets).length) refresh();
      } catch (error) {
        silent = true;
        bar.say(waiting() || `The server does not answer (${error.message}). Start bias-audit review again.`, true);
      }
    }
    async function send() {
      if (sending) return;
      sending = true;
      clearTimeout(timer);
      while (queue.length) {
        const { path, body } = queue[0];
        try {
          await ask(path, body);
          storage.drop(name(queue[0]));
          answered = [...answered, { ...queue.shift(), saved: true }];
          await poll();
          if (!queue.length) bar.say("Saved.", false);
        } catch (error) {
          if (error.status === 400 || error.status === 413) {
            storage.drop(name(queue.shift()));
            bar.say(`NOT SAVED: ${error.message}`, true);
            refresh();
          } else {
            // A server that was started anew does not know this page's address any more.
            bar.say(error.status === 404 ? "NOT SAVED: the server was started anew. Open the address that it printed; what you decided waits in this browser." : waiting(), true);
            timer = setTimeout(send, RETRY);
            break;
          }
        }
      }
      sending = false;
    }
    function enqueue(entry) {
      queue.push({ ...entry, entry: newId(), at: Date.now() });
      storage.set(name(queue.at(-1)), queue.at(-1));
      if (!silent) bar.say("Saving …", false);
      refresh();
      send();
    }
    return {
      view(key) {
        let decisions = known.get(key) ?? [];
        for (const { body, decision, saved } of [...answered, ...queue].filter((each) => each.body.target_key === key)) {
          decisions = decisions.filter((each) => each.reviewer !== body.reviewer);
          if (decision) decisions.push({ ...decision, unsaved: !saved });
        }
        return decisions;
      },
      keys: () => new Set([...known.keys(), ...queue.map((each) => each.body.target_key)]),
      lost: () => lost.flatMap((key) => known.get(key)),
      decide(decision) {
        const { target_key, verdict, note, reviewer, expires } = decision;
        const id = newId();
        enqueue({ path: "decisions", body: { target_key, verdict, note, reviewer, expires, id }, decision: { ...decision, id, time: new Date().toISOString() } });
      },
      undo(target_key, reviewer) {
        const mine = this.view(target_key).find((each) => each.reviewer === reviewer);
        if (mine) enqueue({ path: "undo", body: { target_key, reviewer, id: mine.id } });
      },
      history: async (key) => (await ask(`history?target=${encodeURIComponent(key)}`)).events,
      used: () => true,
      start() {
        poll().then(send);
        setInterval(() => { if (document.visibilityState === "visible" && !sending) poll(); }, POLL);
        document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") poll(); });
        addEventListener("beforeunload", (event) => { if (queue.length) event.preventDefault(); });
      },
    };
  }

  // The bar: who reviews, how far it has come, whether all is saved.
  const bar = (() => {
    const name = make("input", { type: "text", maxLength: 200, autocomplete: "name", value: served?.reviewer || (storage.get("reviewer") ?? "") });
    const progress = make("span", { className: "review-progress" });
    const keys = make("span", { className: "review-keys" }, ...VERDICTS.map(([, letter]) => make("kbd", { textContent: letter })), " decide about what has the focus, ", make("kbd", { textContent: "u" }), " undoes, ", make("kbd", { textContent: "n" }), " next undecided");
    const onward = make("button", { type: "button", title: "Next that nobody decided about, or that reviewers disagree about (key n)" }, ...keyed("Next undecided", "n"));
    onward.setAttribute("aria-keyshortcuts", "n");
    onward.addEventListener("click", () => left.next());
    const state = make("span", { className: "review-state" });
    const lost = make("ul");
    const fold = make("details", { className: "review-lost", hidden: true }, make("summary"), lost);
    const element = make("aside", { className: "review-bar", hidden: true }, make("label", {}, make("span", { textContent: "Reviewer" }), name), progress, onward, state);
    element.setAttribute("aria-label", "Review");
    state.setAttribute("role", "status");
    let then = null;
    const take = () => {
      storage.set("reviewer", name.value.trim());
      refresh();
      if (name.value.trim() && then) { const act = then; then = null; act(); }
    };
    name.addEventListener("change", take);
    name.addEventListener("keydown", (event) => { if (event.key === "Enter") take(); });
    return {
      element,
      build() {
        if (served) for (const kind of ["json", "csv"]) element.append(make("a", { href: `${served.api}/export.${kind}`, textContent: `Export ${kind.toUpperCase()}` }));
        else {
          const button = make("button", { type: "button", textContent: "Download decisions" });
          button.addEventListener("click", () => store.download());
          element.append(button);
        }
        element.append(fold, keys);
        document.body.append(element);
      },
      reviewer: () => name.value.trim(),
      askName(act) {
        then = act;
        element.hidden = false;
        bar.say("Who decides? Enter your name, and the decision is taken.", true);
        name.focus();
      },
      say(text, loud) {
        state.textContent = text || "";
        state.classList.toggle("is-loud", loud);
        if (loud) element.hidden = false;
      },
      show() {
        const keys = Object.keys(about.targets), images = left.images(), several = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
        const count = (some, state) => left.among(some, state).length;
        const split = count(keys, "disagreement"), seen = count(images, "decided"), splitImages = count(images, "disagreement");
        progress.textContent = `${count(keys, "decided")} of ${keys.length} findings and cues decided`
          + (split ? `, ${several(split, "disagreement")}` : "") + (seen ? `, and ${several(seen, "image")}` : "")
          + (splitImages ? `; ${several(splitImages, "image")} in disagreement` : "");
        onward.disabled = !left.wanted().length;
        element.hidden = element.hidden && !store.used();
        const gone = store.lost();
        fold.hidden = !gone.length;
        fold.firstChild.textContent = `${gone.length} about what is no longer found`;
        lost.replaceChildren(...gone.map((decision) => make("li", {}, make("bdi", { textContent: decision.subject || decision.target_key }), `${decision.code ? ` (${decision.code})` : ""}: `, ...said(decision))));
      },
    };
  })();

  function said(decision) {
    const parts = [make("b", { textContent: decision.verdict }), " by ", make("bdi", { textContent: decision.reviewer }), `, ${decision.time.slice(0, 10)}`];
    if (decision.expires) parts.push(`, holds until ${decision.expires}`);
    if (decision.note) parts.push(": ", make("bdi", { className: "note", textContent: decision.note }));
    if (decision.unsaved) parts.push(make("em", { textContent: " (not saved yet)" }));
    return parts;
  }

  // One control.
  function fill(element) {
    const place = [...element.querySelectorAll(".decide")].find((each) => each.closest("[data-target-key]") === element);
    if (!place) return;
    const key = keyOf(element.dataset.targetKey);
    // One element may show one photo after another.
    for (const panel of panels) if (panel.element === element) {
      if (panel.key === key && place.childElementCount) return;
      panels.delete(panel);
    }
    place.replaceChildren();
    const target = targetOf(key);
    const subject = element.dataset.targetSubject || target?.subject || key;
    const buttons = VERDICTS.map(([verdict, letter, label]) => {
      const button = make("button", { type: "button", title: `${label} (key ${letter})` }, ...keyed(label, letter));
      button.setAttribute("aria-keyshortcuts", letter);
      button.addEventListener("click", () => decide(verdict));
      return button;
    });
    const tool = (text, act, letter = "") => { const button = make("button", { type: "button", className: "quiet" }, ...keyed(text, letter)); if (letter) button.setAttribute("aria-keyshortcuts", letter); button.addEventListener("click", act); return button; };
    const note = make("textarea", { rows: 2, maxLength: 4000 });
    const needed = make("p", { className: "decide-needed", hidden: true });
    const expires = make("input", { type: "date", min: new Date().toISOString().slice(0, 10) });
    const [noteName, untilName] = ["Note", "Holds until"].map((textContent) => make("span", { textContent }));
    const until = make("label", {}, untilName, expires);
    // Reviewer -> the date that they gave to legitimate context: it is there again when they come back from another verdict.
    const dates = new Map();
    const more = make("div", { className: "decide-more", hidden: true }, make("label", {}, noteName, note), until, needed);
    const undoing = tool("Undo", undo, "u"), noting = tool("Note", () => { more.hidden = !more.hidden; noting.setAttribute("aria-expanded", !more.hidden); if (!more.hidden) note.focus(); });
    const split = make("p", { className: "disagreement", hidden: true }, make("b", { textContent: "Disagreement" }), ": reviewers say different things, so this is not decided.");
    const told = make("ul", { className: "decided" });
    const past = make("ol", { className: "decided past", hidden: true });
    const looking = tool("History", async () => {
      past.hidden = !past.hidden;
      looking.setAttribute("aria-expanded", !past.hidden);
      if (!past.hidden) await showPast();
    });
    for (const fold of [noting, looking]) fold.setAttribute("aria-expanded", "false");
    const row = make("div", { className: "verdicts" }, ...buttons, noting, undoing, looking);
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", `Decision about ${subject}`);
    place.append(row, more, split, told, past);
    let dirty = false;
    more.addEventListener("input", () => { dirty = true; });
    // What was typed is part of the decision: it is saved when the field is left.
    more.addEventListener("change", () => { const own = mine(); if (own) decide(own.verdict); });

    const mine = () => store.view(key).find((each) => each.reviewer === bar.reviewer());
    function decide(verdict) {
      if (!bar.reviewer()) { bar.askName(() => decide(verdict)); return; }
      const own = mine(), said = { verdict, note: note.value.trim(), expires: verdict === LEGITIMATE ? expires.value : "" };
      dirty = false;
      if (own && Object.keys(said).every((name) => own[name] === said[name])) return;
      store.decide({
        target_kind: target?.target_kind ?? element.dataset.targetKind, target_key: key, ...said, reviewer: bar.reviewer(), subject,
        code: target?.code ?? "", measured: target?.measured ?? null, low: target?.low ?? null, high: target?.high ?? null,
      });
      if (more.hidden) { more.hidden = false; noting.setAttribute("aria-expanded", "true"); }
    }
    function undo() { if (mine()) { dirty = false; dates.delete(bar.reviewer()); store.undo(key, bar.reviewer()); } }
    async function showPast() {
      try {
        const events = await store.history(key);
        past.replaceChildren(...events.map(({ decision, withdrawn }) => make("li", { className: withdrawn ? "is-withdrawn" : "" }, ...said(decision), withdrawn ? ` (taken back ${withdrawn.slice(0, 10)})` : "")));
        if (!events.length) past.append(make("li", { textContent: "Nobody decided yet." }));
      } catch (error) { past.replaceChildren(make("li", { textContent: `The history cannot be read: ${error.message}` })); }
    }
    const panel = {
      element, key, decide, undo,
      typed: () => dirty && mine(),
      update() {
        const own = mine(), all = store.view(key);
        buttons.forEach((button, i) => button.setAttribute("aria-pressed", own?.verdict === VERDICTS[i][0]));
        undoing.disabled = !own;
        const waives = own?.verdict === LEGITIMATE && element.dataset.targetKind !== "image";
        until.hidden = own?.verdict !== LEGITIMATE;
        for (const [field, name, words] of [[note, noteName, "Note"], [expires, untilName, "Holds until"]]) {
          field.required = waives;
          name.textContent = waives ? `${words} (required by the gate)` : words;
        }
        if (own?.verdict === LEGITIMATE) dates.set(bar.reviewer(), own.expires);
        if (!dirty && !more.contains(document.activeElement)) { note.value = own?.note ?? ""; expires.value = dates.get(bar.reviewer()) ?? ""; }
        // What the gate needs, as gate/waivers.py has it: without note and date the decision is kept, and accepts nothing.
        const lacking = waives ? [["a note", note], ["a date", expires]].filter(([, field]) => !field.value.trim()).map(([what]) => what) : [];
        needed.hidden = !lacking.length;
        needed.textContent = lacking.length ? `Kept. The gate does not accept the finding yet: it needs ${lacking.join(" and ")}.` : "";
        told.replaceChildren(...all.map((decision) => make("li", {}, ...said(decision))));
        place.dataset.state = stateOf(all);
        split.hidden = place.dataset.state !== "disagreement";
        if (!past.hidden) showPast();
      },
    };
    panels.add(panel);
    panel.update();
  }

  function refresh() {
    for (const panel of panels) if (panel.element.isConnected) panel.update(); else panels.delete(panel);
    bar.show();
  }

  const store = served ? remote() : kept();
  const left = remaining(store, keyOf);
  bar.build();
  for (const element of document.querySelectorAll("[data-target-key]")) fill(element);
  document.addEventListener("bias-audit:target", (event) => fill(event.target));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const focused = document.activeElement?.closest("[data-target-key]") ?? document.querySelector("dialog[open] [data-target-key]");
    const panel = [...panels].find((each) => each.element === focused);
    const verdict = VERDICTS.find(([, letter]) => letter === event.key);
    if (event.key === "n" && !document.querySelector("dialog[open]")) { event.preventDefault(); left.next(); }
    if (!panel || !(verdict || event.key === "u")) return;
    event.preventDefault();
    if (verdict) panel.decide(verdict[0]); else panel.undo();
  });
  addEventListener("beforeunload", (event) => { if ([...panels].some((panel) => panel.typed())) event.preventDefault(); });
  // Where a list of keys is kept, ours belong in it.
  for (const list of document.querySelectorAll("[data-help]")) {
    for (const [keys, text] of [...VERDICTS.map(([, letter, label]) => [letter, `decide: ${label.toLowerCase()}`]), ["u", "undo your decision"], ["n", "next that is undecided, or in disagreement"]]) {
      const key = make("kbd", { textContent: keys });
      if (list.tagName === "DL") list.append(make("dt", {}, key), make("dd", { textContent: text }));
      else list.append(make("li", {}, key, ` ${text}`));
    }
  }
  refresh();
  if (about.damage) bar.say(about.damage, true);
  store.start();
})();
