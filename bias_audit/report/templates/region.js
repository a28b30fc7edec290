"use strict";
// Draw a region on a photo, say what it shows, and have it tested on the model. Only where a model is behind the page.
(() => {
  const settings = document.getElementById("review");
  const review = settings ? JSON.parse(settings.textContent) : null;
  const dialog = document.getElementById("region-dialog");
  if (!review || !review.live || !dialog) return;
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const [picture, drawing, outline, form, answer, status] = ["picture", "drawing", "outline", "form", "answer", "status"].map(part);
  const fields = form.elements;
  const KEY = "t";
  let key = "";
  let corners = [];
  let pen = null;

  const address = (path) => `${review.api}/${path}`;
  const show = () => outline.setAttribute("points", corners.map(([x, y]) => `${100 * x},${100 * y}`).join(" "));

  // A view beside photo and heatmap where an image is shown large, also of images that the list shows later; a button
  // below the decisions of a card.
  const offer = (target) => {
    if (target.dataset.targetKind !== "image" || target.querySelector(".test-region")) return;
    const views = target.querySelector(".views");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "test-region";
    button.append(keyed("Test a region", KEY), views ? "" : " of this photo");
    button.setAttribute("aria-haspopup", "dialog");
    if (views) button.setAttribute("aria-keyshortcuts", KEY);
    button.addEventListener("click", () => open(target.dataset.targetKey, target.dataset.targetSubject || ""));
    if (views) views.append(button);
    else (target.querySelector(".decide") || target).after(button);
  };
  // A label with its key underlined.
  const keyed = (label, key) => {
    const at = label.toLowerCase().indexOf(key);
    const under = document.createElement("u");
    under.textContent = label[at];
    const whole = document.createElement("span");
    whole.append(label.slice(0, at), under, label.slice(at + 1));
    return whole;
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== KEY || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const button = document.querySelector("#browser .views .test-region");
    if (!button) return;
    event.preventDefault();
    button.click();
  });
  document.addEventListener("bias-audit:target", (event) => offer(event.target));
  for (const target of document.querySelectorAll("[data-target-kind=image]")) offer(target);
  for (const list of document.querySelectorAll("dl[data-help]")) {
    const [term, text, key] = ["dt", "dd", "kbd"].map((tag) => document.createElement(tag));
    key.textContent = KEY;
    text.textContent = "test a region of the image";
    term.append(key);
    list.append(term, text);
  }

  const open = (image, subject) => {
    key = image;
    corners = [];
    show();
    form.reset();
    fields.reviewer.value = reviewerName();
    part("subject").textContent = subject;
    answer.replaceChildren();
    status.textContent = "";
    picture.src = address(`live/picture?key=${encodeURIComponent(key)}`);
    dialog.showModal();
  };

  // The name that the decisions are signed with; see review.js.
  const reviewerName = () => {
    try {
      return JSON.parse(localStorage.getItem("bias-audit:reviewer")) || review.reviewer || "";
    } catch {
      return review.reviewer || "";
    }
  };

  fetch(address("live/classes"))
    .then((response) => response.json())
    .then(({ classes }) => {
      for (const name of classes) fields.class_name.add(new Option(name, name));
    });

  picture.addEventListener("load", () => drawing.style.setProperty("--shape", picture.naturalWidth / picture.naturalHeight));

  // Drawing: a line around the thing, by mouse, pen or finger.
  const place = (event) => {
    const box = drawing.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  };
  drawing.addEventListener("pointerdown", (event) => {
    pen = event.pointerId;
    drawing.setPointerCapture(pen);
    corners = [place(event)];
    show();
    event.preventDefault();
  });
  drawing.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen) return;
    const [x, y] = place(event);
    const [lastX, lastY] = corners[corners.length - 1];
    if (Math.hypot(x - lastX, y - lastY) > 0.006 && corners.length < 480) corners.push([x, y]);
    show();
  });
  for (const kind of ["pointerup", "pointercancel"]) drawing.addEventListener(kind, () => (pen = null));

  // The same without a pointer: a rectangle in percent.
  const sides = ["left", "top", "width", "height"].map((name) => fields[name]);
  for (const side of sides) {
    side.addEventListener("input", () => {
      const [left, top, width, height] = sides.map((field) => Number(field.value) / 100);
      if (sides.some((field) => field.value === "")) return;
      const [right, bottom] = [Math.min(1, left + width), Math.min(1, top + height)];
      corners = [[left, top], [right, top], [right, bottom], [left, bottom]];
      show();
    });
  }

  const line = (text, name) => {
    const element = document.createElement("p");
    element.textContent = text;
    if (name) element.className = name;
    return element;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (corners.length < 3) {
      status.textContent = "Draw a line around the thing first.";
      return;
    }
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    status.textContent = "Erasing it here and pasting it onto photos of other classes …";
    answer.replaceChildren();
    try {
      const response = await fetch(address("live/regions"), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          key,
          corners,
          name: fields.name.value,
          reviewer: fields.reviewer.value,
          class_name: fields.class_name.value,
        }),
      });
      const said = await response.json();
      if (!response.ok) {
        status.textContent = [said.error, said.hint].filter(Boolean).join(" ");
        return;
      }
      status.textContent = "Answered, and kept in the run.";
      tell(said);
    } catch {
      status.textContent = "No answer: the server does not reply. Is bias-audit review still running?";
    } finally {
      button.disabled = false;
    }
  });

  const TEXTS = {
    photo: "the photo",
    inpaint: "without the region",
    blur_noise: "without it, filled another way",
    "as it is": "another photo",
    pasted: "with the region",
    control: "with a piece of another photo of its class",
  };
  const tell = ({ hypothesis, outcome, pictures }) => {
    if (outcome) answer.append(line(outcome.level || (outcome.status === "passed" ? "NO EFFECT SHOWN" : "NOT JUDGED"), "answer-level"), line(outcome.sentence));
    const list = document.createElement("ul");
    list.className = "region-pictures";
    for (const shot of pictures) {
      const item = document.createElement("li");
      const image = new Image(shot.width, shot.height);
      const share = shot.probability === null ? "not known" : quantity(shot.probability, "share");
      image.src = `data:image/jpeg;base64,${shot.jpeg}`;
      image.alt = `${TEXTS[shot.arm] || shot.arm}${shot.host ? `: ${shot.host}` : ""}`;
      item.append(image, line(`${TEXTS[shot.arm] || shot.arm}: ${hypothesis.class_name} ${share}`));
      list.append(item);
    }
    answer.append(list);
    answer.scrollIntoView({ block: "nearest" });
  };

  part("close").addEventListener("click", () => dialog.close());
  part("again").addEventListener("click", () => {
    corners = [];
    for (const side of sides) side.value = "";
    show();
  });
})();
