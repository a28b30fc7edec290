// One image, large: its photo, heatmap, outline and what it becomes on other backgrounds, with its scores.
const VIEWS = ["Photo", "Heatmap", "Outline", "Other backgrounds"];

function node(tag, properties = {}, ...children) {
  const { attributes = {}, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function drawn(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const icon = (name) => drawn("svg", { class: "icon", "aria-hidden": "true" }, drawn("use", { href: `#${name}` }));
const bdi = (text) => node("bdi", { textContent: text });
const slug = (level) => level.toLowerCase().replaceAll(" ", "-");

// Right or wrong by shape and word, never by colour alone; neither (null) where there is no object in the picture.
function prediction(name, probability, isRight) {
  const mark = isRight === null ? [] : [icon(isRight ? "right" : "wrong"), node("span", { className: "unseen", textContent: isRight ? "right: " : "wrong: " })];
  const parts = [...mark, bdi(name)];
  if (probability !== null && !Number.isNaN(probability)) parts.push(" ", node("span", { className: "number", textContent: quantity(probability, "share") }));
  return node("span", { className: ["prediction", ...(isRight === null ? [] : [isRight ? "good" : "bad"])].join(" ") }, ...parts);
}
const levelChip = (level) => node("span", { className: `level is-${slug(level)}` }, icon(slug(level)), level);

// The picture lies in a style sheet; outlines lie in the document once and are drawn twice, white below dark.
function frame(picture, label, { heat = false, edge = false } = {}) {
  const element = node("div", { className: `frame ${picture.key}`, attributes: { role: "img", "aria-label": label } });
  if (heat && picture.has_map) element.append(node("div", { className: `heat ${picture.key}h` }));
  if (edge && picture.has_outline) {
    const lines = ["halo", "edge"].map((name) => drawn("use", { class: name, href: `#outline-${picture.key}` }));
    const box = { class: "outline", viewBox: `0 0 ${picture.width} ${picture.height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
    element.append(drawn("svg", box, ...lines));
  }
  return element;
}

function imageView(table, { turn, show }) {
  const text = (name, row) => table.categories.get(name).at(row);
  const value = (name, row) => table.scores.get(name)?.values()[row] ?? NaN;

  const predictionOf = (row) => text("predicted", row)
    ? prediction(text("predicted", row), value("probability", row), table.right()[row] === 1)
    : node("span", { className: "missing", textContent: text("status", row) || "no prediction" });

  function listRow(row, sort) {
    const picture = table.pictures.get(row);
    const thumbnail = picture ? node("div", { className: `thumb ${picture.key}` }) : node("div", { className: "thumb none" });
    thumbnail.setAttribute("aria-hidden", "true");
    const level = table.levels()[row];
    const chosen = table.scores.get(sort);
    const score = chosen ? node("span", { className: "number", textContent: quantity(chosen.values()[row], chosen.unit) }, node("span", { className: "unseen", textContent: ` ${chosen.title}` })) : "";
    const mark = level ? node("span", { className: `mini is-${slug(table.levelNames[level - 1])}`, title: table.levelNames[level - 1] }, icon(slug(table.levelNames[level - 1])), node("span", { className: "unseen", textContent: table.levelNames[level - 1] })) : "";
    const claims = node("span", { className: "row-claims" }, bdi(text("label", row)), node("span", { textContent: " → ", attributes: { "aria-hidden": "true" } }), predictionOf(row));
    return node("div", { className: "row" }, thumbnail, node("span", { className: "row-name" }, bdi(table.ids()[row])), claims, node("span", { className: "row-side" }, mark, score));
  }

  function panel(row, view) {
    const picture = table.pictures.get(row), name = table.ids()[row];
    const empty = (why) => node("div", { className: "empty", textContent: why });
    if (!picture) return empty("The picture of this image is not in this file.");
    if (view === 1) return frame(picture, `photo ${name}`);
    if (view === 2) return picture.has_map ? frame(picture, `heatmap for ${picture.heat_class} over ${name}`, { heat: true, edge: true }) : empty("no heatmap");
    if (view === 3) return picture.has_outline ? frame(picture, `${picture.mask_kind || "mask"} outline on ${name}`, { edge: true }) : empty(picture.mask_reason && picture.mask_reason !== "ok" ? picture.mask_reason : "no outline");
    if (!picture.tiles.length) return empty(outcomeInWords(row) || `No composite of this image was kept: ${text("intervention_status", row) || "not intervened on"}.`);
    const tiles = picture.tiles.map((tile) => node("li", {}, frame(tile, `composite of ${name} ${tile.text}`), node("p", { className: "what" }, `${tile.text}: ${tile.kept ? "still" : "now"} `, prediction(tile.predicted, tile.probability, tile.right))));
    return node("ul", { className: "tiles" }, ...tiles);
  }
  function outcomeInWords(row) {
    const accuracy = value("other_background_accuracy", row);
    if (Number.isNaN(accuracy)) return "";
    const becomes = text("other_background_predicted", row);
    return `On other backgrounds right in ${quantity(accuracy, "share")} of its composites${becomes && becomes !== text("label", row) ? `, mostly taken for ${becomes}` : ""}; their pictures are not in this file.`;
  }

  function facts(row) {
    const findings = table.findingsOf(row).map((finding) => {
      const what = `${finding.code}: ${finding.subject ? `${finding.subject}, ` : ""}${finding.title}`;
      const place = document.getElementById(`finding-${finding.place}`) ? node("a", { href: `#finding-${finding.place}`, textContent: what }) : what;
      return node("li", {}, levelChip(table.levelNames[finding.level]), " ", place);
    });
    const rows = [...table.scores].filter(([name]) => !Number.isNaN(value(name, row))).map(([name, { title, unit }]) => [title, quantity(value(name, row), unit)]);
    const columns = [...table.columns].map(([name, column]) => [name, column.at(row)]).filter(([, said]) => said);
    const reasons = [["status", "Image"], ["mask_status", "Mask"], ["attention_status", "Attention"], ["intervention_status", "Interventions"]]
      .map(([name, title]) => [title, text(name, row)]).filter(([, said]) => said && said !== "ok" && said !== "done");
    const list = (pairs, write) => pairs.map(([title, said]) => node("div", {}, node("dt", {}, bdi(title)), node("dd", {}, write(said))));
    return [
      ...(findings.length ? [node("ul", { className: "named" }, ...findings)] : []),
      node("dl", { className: "scores" }, ...list(rows, String), ...list(columns, bdi), ...list(reasons, bdi)),
    ];
  }

  // Made anew for each image: what was decided about one must never stand beside another.
  function article(row, view, place, total) {
    const name = table.ids()[row];
    const buttons = VIEWS.map((title, at) => {
      const button = node("button", { type: "button", textContent: title, attributes: { "aria-pressed": String(view === at + 1), "aria-keyshortcuts": String(at + 1) } });
      button.addEventListener("click", () => show(at + 1));
      return button;
    });
    const step = (label, by, key) => {
      const button = node("button", { type: "button", textContent: label, disabled: place < 0 || place + by < 0 || place + by >= total, attributes: { "aria-keyshortcuts": key } });
      button.addEventListener("click", () => turn(by));
      return button;
    };
    const claims = node("p", { className: "claims" }, "label ", node("b", {}, bdi(text("label", row))), " · predicted ", predictionOf(row));
    const rests = text("rests_on_background", row) === "True" ? [node("ul", { className: "chips" }, node("li", { className: "strong", textContent: "rests on the background" }))] : [];
    const head = node("h3", { className: "file", id: "viewer-title" }, bdi(name));
    const views = node("div", { className: "views", attributes: { role: "group", "aria-label": "View" } }, ...buttons);
    const steps = node("div", { className: "steps" }, step("Previous", -1, "k"), step("Next", 1, "j"), node("span", { className: "fine", textContent: place < 0 ? "not among the images that the filters let through" : `${(place + 1).toLocaleString("en")} of ${total.toLocaleString("en")}` }));
    const stage = node("div", { className: "stage" }, panel(row, view));
    const element = node("article", { className: "image-view", tabIndex: -1, attributes: { "aria-labelledby": "viewer-title" } }, head, claims, ...rests, views, stage, steps, ...facts(row), node("div", { className: "decide" }));
    Object.assign(element.dataset, { targetKind: "image", targetKey: table.keyOf(row), targetSubject: name });
    return element;
  }
  function turnTo(element, row, view) {
    element.querySelector(".stage").replaceChildren(panel(row, view));
    element.querySelectorAll(".views button").forEach((button, at) => button.setAttribute("aria-pressed", String(view === at + 1)));
  }
  return { listRow, article, turnTo };
}
