// Building the document. Every text goes in as text; there is no way here to insert markup.

// An element: h("p", { class: "note" }, "text", child, null). A property that begins with
// "on" is a listener; true and false add or leave out an attribute.
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value") element.value = value;
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PICTURES = {
  back: "M15 5l-7 7 7 7",
  plus: "M12 5v14M5 12h14",
  inbox: "M4 13l2.5-8h11L20 13v6H4zM4 13h4.5l1.5 3h4l1.5-3H20",
  gear: "M5 7h9M18 7h1M5 12h1M10 12h9M5 17h7M16 17h3M14 5v4M6 10v4M12 15v4",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.8-4 3.8-6 7.5-6s6.700 2 7.500 6",
  shield: "M12 3l7.500 3v5.500c0 4.500-3 7.800-7.500 9.500-4.500-1.700-7.500-5-7.500-9.500V6zM8.500 12l2.500 2.500 4.500-5",
  queued: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17zM12 7.500V12l3 2",
  stored: "M5 12.500l4.500 4.500L19 7.500",
  delivered: "M2.500 12.500L7 17l8.500-9.500M11 15.500l1.500 1.500L21.500 7.500",
  read: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600z",
  failed: "M12 4l9 16H3zM12 10v4.500M12 17.200v.300",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500L20 20",
  send: "M4 12l16-7.500-5 16-3.500-6.500zM11.500 14L20 4.500",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PICTURES[name]);
  svg.append(path);
  return svg;
}

// Controls, invisible characters and those that reverse what follows become a visible mark.
// Joiners that emoji and several scripts need stay, but not where they join nothing.
const HARMFUL =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb]|[\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|(?<=^|[\sA-Za-z\u00c0-\u024f\u0370-\u058f])[\u200c\u200d]/gu;

export const clean = (text) => String(text ?? "").replace(HARMFUL, "\ufffd");

// A remark of the node, as a sentence. It is written for a terminal too, where backquotes mark what can be typed.
export function sentence(text) {
  const plain = clean(text).replaceAll("`", "");
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}

// Somebody's name: one line, kept apart from the direction of what surrounds it.
export function nameOf(text) {
  return h("bdi", { class: "name" }, clean(text).replace(/[\n\t]/g, " ") || "Somebody");
}

export function avatar(id, name) {
  let sum = 0;
  for (const c of String(id)) sum = (sum * 31 + c.codePointAt(0)) % 8;
  const [first] = new Intl.Segmenter().segment(clean(name).replaceAll("\ufffd", "").trim());
  return h("span", { class: `avatar hue-${sum}`, "aria-hidden": "true" }, first ? first.segment.toUpperCase() : "?");
}

export function clock(at) {
  return new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

export function day(at) {
  const date = new Date(at);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return "Today";
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  return new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(date);
}

// The shortest that tells when: a time today, a date before.
export function when(at) {
  const date = new Date(at);
  if (date.toDateString() === new Date().toDateString()) return clock(at);
  return new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" }).format(date);
}

export function moment(at) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

// A remark that ends with its own mark, or else with a full stop.
export const ended = (text) => /[.?!]$/.test(text) ? text : `${text}.`;

// A short notice at the edge of the window; trouble stays longer.
export function say(text, hint = "") {
  // Hints are written for a terminal too, where backquotes mark what can be typed.
  [text, hint] = [text, hint].map((one) => one.replaceAll("`", ""));
  const toasts = document.getElementById("toasts");
  // Trouble takes the good news before it away, and is not said twice.
  for (const old of toasts.querySelectorAll(".toast")) if (hint && (!old.classList.contains("trouble") || old.firstChild.textContent === text)) old.remove();
  const toast = h("div", { class: hint ? "toast trouble" : "toast" }, h("strong", {}, text), hint ? h("span", {}, hint) : null);
  toast.dataset.at = String(Date.now());
  toasts.append(toast);
  // What works now makes the trouble before it old news.
  while (toasts.children.length > (hint ? 3 : 1)) toasts.firstChild.remove();
  setTimeout(() => toast.remove(), hint ? 12000 : 4000);
}

// Takes notices away: they speak of the view that was left.
export function hush(which = ".toast") {
  for (const toast of document.querySelectorAll(which)) if (Date.now() - toast.dataset.at > 500) toast.remove();
}

// That the node does not answer stands above everything already.
export const isLost = () => document.body.classList.contains("lost");

export function trouble(problem) {
  if (problem.kind !== "unreachable" || !isLost()) say(problem.message, problem.hint || "Try again.");
}

// A button that works: disabled while it does, and tells when it did not succeed.
export function button(label, work, props = {}) {
  const element = h("button", { type: "button", ...props, onclick: () => during(element, work) }, label);
  return element;
}

export async function during(element, work) {
  element.disabled = true;
  try {
    const done = await work();
    hush(".toast.trouble");
    return done;
  } catch (problem) {
    trouble(problem);
    return null;
  } finally {
    element.disabled = false;
  }
}

// A button for what cannot easily be undone: asks once more, in place, until something else is chosen.
export function careful(label, question, work) {
  let armed = false;
  const element = h("button", {
    type: "button",
    class: "danger",
    onclick: () => {
      if (!armed) {
        element.textContent = question;
        element.classList.add("armed");
        armed = true;
      } else {
        disarm();
        during(element, work);
      }
    },
    onblur: () => disarm(),
  }, label);
  function disarm() {
    armed = false;
    element.textContent = label;
    element.classList.remove("armed");
  }
  return element;
}

// A text with a button that copies it.
export function copyable(label, text) {
  const field = h("input", { type: "text", readonly: true, value: text, "aria-label": label, class: "mono", onfocus: () => field.select() });
  return h("div", { class: "copyable" }, field, copyButton(label, text, () => {
    field.select();
    document.execCommand("copy");
  }));
}

export function copyButton(label, text, otherwise) {
  return button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      otherwise();
    }
    say("Copied.");
  }, { class: "primary", "aria-label": `Copy: ${label}` });
}

const bytesOf = (text) => new TextEncoder().encode(text).length;

// By how many letters a text is too long for so many bytes; below zero: how many fit yet. A letter
// has one to four bytes: what is here says how many those of this user have.
export function tooLong(text, most) {
  const over = bytesOf(text) - most;
  return Math.ceil(over / Math.max(1, bytesOf(text) / [...text].length || 1));
}

// A field for a name says by itself when the name is too long.
export function bounded(field, most) {
  field.addEventListener("input", () => {
    const over = tooLong(field.value.trim(), most);
    field.setCustomValidity(over > 0 ? `Too long by ${over} ${over === 1 ? "letter" : "letters"}.` : "");
  });
  return field;
}

// What was typed into a form survives that the form is drawn again.
export function redraw(element, draw) {
  const typed = [...element.querySelectorAll("input[type=text][id]:not([readonly]), textarea[id]")].filter((one) => one.value !== one.dataset.given);
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  draw();
  for (const one of element.querySelectorAll("input[id], textarea[id]")) one.dataset.given = one.value;
  for (const old of typed) {
    const fresh = element.querySelector(`#${CSS.escape(old.id)}`);
    if (fresh) fresh.value = old.value;
  }
  if (focused) element.querySelector(`#${CSS.escape(focused)}`)?.focus({ preventScroll: true });
}

// Fingerprint words, one by one: easier to read out.
export function wordList(words) {
  return h("ol", { class: "words" }, clean(words).split(" ").filter(Boolean).map((word) => h("li", {}, word)));
}

const BACK = "Back to the list";

// On a narrow window the list is out of sight: the way back says how much is new there.
export function showNews(view, news) {
  const back = view.querySelector(".head .back");
  const badge = back?.querySelector(".badge");
  if (!badge) return;
  badge.textContent = String(news);
  badge.hidden = news === 0;
  back.setAttribute("aria-label", news ? `${BACK}, ${news} new` : BACK);
}

// The head of a view, with the way back for narrow windows.
export function viewHead(title, ...more) {
  return h("header", { class: "head" },
    h("a", { class: "back", href: "#/", "aria-label": BACK }, icon("back"), h("span", { class: "badge", "aria-hidden": "true", hidden: true })),
    typeof title === "string" ? h("h1", {}, title) : title, ...more);
}
