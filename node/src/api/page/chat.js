// One conversation, with a friend or in a room.

import { clean, during, h, icon, nameOf, trouble, viewHead } from "/dom.js";
import { makeHistory } from "/history.js";
import { belongsTo, friend, keep, post, room, watch } from "/node.js";

const TEXT_MAX = 16 * 1024; // bytes

// What was typed and not sent, of each conversation, while this tab is open.
const drafts = new Map();

// How long a message is tried, in seconds; without a number until it is delivered.
const LIFETIMES = [["", "never"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "7 days"]];

export function chatView(id) {
  const one = friend(id);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such friend"), h("a", { href: "#/" }, "Choose a friend from the list")) };
  }
  const compare = h("a", { class: "compare", href: `#/friend/${id}` }, "Compare words");
  return conversation(one, {
    id,
    about: h("a", { class: "plain", href: `#/friend/${id}`, "aria-label": "About this friend" }, icon("person"), h("span", {}, "About")),
    closed: (now) => now.blocked ? "You have blocked this friend." : null,
    news: "friends",
    now: () => friend(id) ?? one,
    standing: (now) => {
      const words = now.mutual === false ? "Waiting for their confirmation. Your messages go out then." : now.online === true ? { lan: "Online, on this network", relay: "Online, through a relay" }[now.path] ?? "Online" : now.online === false ? "Offline. Messages are delivered later." : "Not seen yet";
      if (now.trust === "verified") return [`${words} · verified`];
      return now.blocked ? [words] : [words, " · ", compare];
    },
    hint: one.trust === "verified" ? null : h("p", {}, "To be sure that this is really your friend, compare your words once: ", h("a", { href: `#/friend/${id}` }, "how?")),
  });
}

// Why nothing can be written in a room any more.
const CLOSED = {
  leaving: "You are leaving this room.",
  left: "You have left this room. What was written stays.",
  elsewhere: "Another device of yours is in this room, and this one is not. What is written there comes by that one.",
  removed: "You were removed from this room. What was written stays.",
};

export function roomView(id) {
  const one = room(id);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such room"), h("a", { href: "#/" }, "Choose a room from the list")) };
  }
  return conversation(one, {
    id,
    about: h("a", { class: "plain", href: `#/people/${id}`, "aria-label": "About this room" }, icon("person"), h("span", {}, "About")),
    closed: (now) => CLOSED[now.standing] ?? null,
    news: "rooms",
    now: () => room(id) ?? one,
    standing: (now) => {
      const people = now.standing === "elsewhere" ? "At another device of yours" : now.members === 1 ? "Nobody but you" : `${now.members} people`;
      const invited = now.invited.length ? ` · invited: ${now.invited.map(clean).join(", ")}` : "";
      return [`${people}${invited}${now.topic ? ` · ${clean(now.topic)}` : ""}`];
    },
    hint: one.members === 1 ? h("p", {}, "Nobody else is here yet. ", h("a", { href: `#/people/${id}` }, "Add friends")) : null,
  });
}

function conversation(one, { id, about, closed, news, now, standing, hint }) {
  const presence = h("small", {});
  const name = h("h1", {}, nameOf(one.name));
  const head = viewHead(h("div", { class: "grow" }, name, presence), about);
  const history = makeHistory(id, one, hint);
  const composer = makeComposer(id, Boolean(one.room), () => history.written());
  const shut = h("p", { class: "hint" });
  const element = h("section", { class: "chat" }, head, history.element, shut, composer.element);

  function drawPresence() {
    name.replaceChildren(nameOf(now().name));
    presence.replaceChildren(...standing(now()));
    const why = closed(now());
    shut.textContent = why ?? "";
    shut.hidden = why === null;
    composer.element.hidden = why !== null;
  }

  const unwatch = watch((what, message) => {
    if (what === news) drawPresence();
    if (what === "message" && belongsTo(message, now())) history.came(message);
    if (what === "messages") history.refresh().catch(() => {});
  });
  document.addEventListener("visibilitychange", history.looked);

  drawPresence();
  history.opened();
  return {
    element,
    focus: matchMedia("(hover: hover)").matches ? composer.field : undefined,
    gone: () => {
      unwatch();
      composer.leave();
      history.leave();
      document.removeEventListener("visibilitychange", history.looked);
    },
  };
}

function makeComposer(id, inRoom, sent) {
  const field = h("textarea", {
    rows: "1",
    placeholder: "Message",
    "aria-label": "Write a message",
    oninput: () => grow(),
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    },
  });
  const counter = h("small", { class: "counter", role: "status" });
  const lifetime = h("select", { id: "lifetime" }, LIFETIMES.map(([seconds, label]) => h("option", { value: seconds }, label)));
  const submit = h("button", { type: "submit", class: "primary round", "aria-label": "Send" }, icon("send"));
  const until = inRoom ? null : h("p", { class: "until" }, h("label", { for: "lifetime" }, "Stop trying after: "), lifetime);
  const element = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); send(); } }, h("div", { class: "line" }, field, submit), counter, until);
  field.value = drafts.get(id) ?? "";
  requestAnimationFrame(grow);

  function grow() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight + 2, 180)}px`;
    const left = TEXT_MAX - new TextEncoder().encode(field.value).length;
    counter.textContent = left < 0 ? `${-left} bytes too long` : left < 2000 ? `${left} bytes left` : "";
  }

  async function send() {
    const text = field.value.trim();
    if (text === "") return;
    await during(submit, async () => {
      const message = await post("/api/v1/messages", { to: id, text, lifetime_seconds: Number(lifetime.value) || null });
      field.value = "";
      drafts.delete(id);
      grow();
      keep(message);
      sent();
    });
    field.focus();
  }

  function leave() {
    if (field.value.trim() === "") drafts.delete(id);
    else drafts.set(id, field.value);
  }

  return { element, field, leave };
}
