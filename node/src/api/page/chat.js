// One conversation, with a friend or in a room.

import { clean, h, icon, nameOf, tooLong, trouble, viewHead } from "/dom.js";
import { makeHistory } from "/history.js";
import { belongsTo, formerFriend, friend, keep, post, room, shareDraft, state, watch } from "/node.js";

const TEXT_MAX = 16 * 1024; // bytes
const WAITING_MAX = 200; // texts of one conversation that wait for the one before
const SLOW = 500; // milliseconds, after which it is said that a text is on its way to the node
const PAUSE = 2000; // milliseconds without a key press, after which the node gets what was typed

// What was sent and not answered, of each conversation, in order: the node gets one after another.
const outgoing = new Map();
let composer = null; // the one on show

// What was typed and not sent, of each conversation: at the node, where all devices have it, and until it is there in this tab.
const draftKey = (id) => `symbolon-draft-${id}`;
const shared = (id) => state.drafts.get(id) ?? "";
const draft = (id) => sessionStorage.getItem(draftKey(id)) ?? shared(id);

// A text that the node has not answered counts as not sent: after a reload it may stand there twice, and is never lost.
function keepDraft(id, typed) {
  const all = [...(outgoing.get(id) ?? []).map((one) => one.text), typed].filter((text) => text.trim() !== "").join("\n");
  try {
    if (all === shared(id)) sessionStorage.removeItem(draftKey(id));
    else sessionStorage.setItem(draftKey(id), all);
  } catch {
    // There is no room for it: then it lasts as long as the view does.
  }
}

const sharing = new Map(); // conversation -> the timer after which the node gets what was typed there

// Not at each key press: a pause later, as it is then.
function shareSoon(id, pause = PAUSE) {
  clearTimeout(sharing.get(id));
  sharing.set(id, setTimeout(() => share(id), pause));
}

async function share(id) {
  sharing.delete(id);
  const typed = draft(id);
  try {
    if (typed !== shared(id) && tooLong(typed, TEXT_MAX) <= 0) await shareDraft(id, typed);
  } catch {
    // It stays in this tab, and is handed over with the next change.
  }
  isShared(id);
}

// What the node has is not kept in this tab: another device may change it.
function isShared(id) {
  if (sessionStorage.getItem(draftKey(id)) === shared(id)) sessionStorage.removeItem(draftKey(id));
}

// Sends what waits in one conversation. What the node refuses, and what waits behind it, goes back in front of what was typed since.
async function sendAll(id) {
  const waiting = outgoing.get(id);
  const typed = () => composer?.id === id ? composer.field.value : waiting.left ?? "";
  while (waiting.length > 0) {
    try {
      keep(await post("/api/v1/messages", { to: id, ...waiting[0] }));
      waiting.shift();
      keepDraft(id, typed());
      shareSoon(id);
      if (composer?.id === id) composer.sent();
    } catch (problem) {
      trouble(problem);
      const back = [...waiting.map((one) => one.text), typed()].filter((text) => text.trim() !== "").join("\n");
      waiting.length = 0;
      keepDraft(id, back);
      shareSoon(id);
      if (composer?.id === id) composer.put(back);
    }
  }
  outgoing.delete(id);
}

// How long a message is tried, in seconds; without a number until it is delivered.
const LIFETIMES = [["", "never"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "7 days"]];

const ENDED = "Your friendship has ended. What was written stays.";

export function chatView(id, at) {
  const one = friend(id);
  if (!one && formerFriend(id)) return formerView(formerFriend(id), at);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such friend"), h("a", { href: "#/" }, "Choose a friend from the list")) };
  }
  const compare = h("a", { class: "compare", href: `#/friend/${id}` }, "Compare words");
  return conversation(one, {
    id,
    at,
    about: h("a", { class: "plain", href: `#/friend/${id}`, "aria-label": "About this friend" }, icon("person"), h("span", {}, "About")),
    closed: (now) => now.blocked ? "You have blocked this friend." : friend(id) ? null : ENDED,
    news: "friends",
    now: () => friend(id) ?? formerFriend(id) ?? one,
    standing: (now) => {
      const words = now.mutual === false ? "Waiting for their confirmation. Your messages go out then." : now.online === true ? { lan: "Online, on this network", relay: "Online, through a relay" }[now.path] ?? "Online" : now.online === false ? "Not online. Messages wait." : "Not seen yet";
      const known = (more) => h("span", { class: "live" }, words, more);
      if (now.trust === "verified") return [known(" · "), "verified"];
      return now.blocked ? [known("")] : [known(" · "), compare];
    },
    hint: one.trust === "verified" ? null : h("p", {}, "To be sure that this is really your friend, compare your words once: ", h("a", { href: `#/friend/${id}` }, "how?")),
  });
}

// What was written with somebody before the friendship ended.
function formerView(one, at) {
  return conversation(one, {
    id: one.id,
    at,
    about: null,
    closed: () => ENDED,
    news: "friends",
    now: () => formerFriend(one.id) ?? one,
    standing: () => ["Former friend"],
    hint: null,
  });
}

// Why nothing can be written in a room any more.
const CLOSED = {
  leaving: "You are leaving this room.",
  left: "You have left this room. What was written stays.",
  elsewhere: "Another device of yours is in this room, and this one is not. What is written there comes by that one.",
  removed: "You were removed from this room. What was written stays.",
};

export function roomView(id, at) {
  const one = room(id);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such room"), h("a", { href: "#/" }, "Choose a room from the list")) };
  }
  return conversation(one, {
    id,
    at,
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

function conversation(one, { id, at, about, closed, news, now, standing, hint }) {
  const presence = h("small", {});
  const name = h("h1", {}, nameOf(one.name));
  const head = viewHead(h("div", { class: "grow" }, name, presence), about);
  const history = makeHistory(id, one, hint, now);
  const writing = makeComposer(id, Boolean(one.room), () => history.written());
  const shut = h("p", { class: "hint" });
  const element = h("section", { class: "chat" }, head, history.element, shut, writing.element);

  function drawPresence() {
    name.replaceChildren(nameOf(now().name));
    presence.replaceChildren(...standing(now()));
    const why = closed(now());
    shut.textContent = why ?? "";
    shut.hidden = why === null;
    writing.element.hidden = why !== null;
  }

  const unwatch = watch((what, message) => {
    if (what === news) {
      drawPresence();
      // What stands in the window and was not marked, as after trouble, is marked now.
      if (now().unread > 0) history.looked();
    }
    if (what === "message" && belongsTo(message, now())) history.came(message);
    if (what === "messages") history.refresh().catch(() => {});
    if (what === "drafts") writing.heard(message.get(id) ?? "");
  });
  document.addEventListener("visibilitychange", history.looked);

  drawPresence();
  history.opened(at);
  return {
    element,
    focus: matchMedia("(hover: hover)").matches ? writing.field : undefined,
    gone: () => {
      unwatch();
      writing.leave();
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
    oninput: () => {
      grow();
      keepDraft(id, field.value);
      shareSoon(id);
    },
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    },
  });
  let late = false;
  const counter = h("small", { class: "counter", role: "status" });
  const lifetime = h("select", { id: "lifetime" }, LIFETIMES.map(([seconds, label]) => h("option", { value: seconds }, label)));
  const submit = h("button", { type: "submit", class: "primary round", "aria-label": "Send" }, icon("send"));
  const until = inRoom ? null : h("p", { class: "until" }, h("label", { for: "lifetime" }, "Stop trying after: "), lifetime);
  const element = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); send(); } }, h("div", { class: "line" }, field, submit), counter, until);
  field.value = (outgoing.get(id) ? outgoing.get(id).left : draft(id)) ?? "";
  if (field.value !== shared(id)) shareSoon(id);
  requestAnimationFrame(grow);

  function grow() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight + 2, 180)}px`;
    const over = tooLong(field.value, TEXT_MAX);
    counter.textContent = over > 0 ? `About ${over} letters too long` : over > -2000 ? `About ${-over} letters left` : late ? "Sending …" : "";
  }

  // At once the field is free for the next text.
  function send() {
    const text = field.value.trim();
    if (text === "") return;
    const waiting = outgoing.get(id) ?? [];
    if (waiting.length >= WAITING_MAX) return;
    waiting.push({ text, lifetime_seconds: Number(lifetime.value) || null });
    put("");
    keepDraft(id, "");
    setTimeout(() => {
      late = waiting.length > 0;
      grow();
    }, SLOW);
    if (outgoing.get(id) !== waiting) {
      outgoing.set(id, waiting);
      sendAll(id);
    }
    field.focus();
  }

  function put(text) {
    field.value = text;
    grow();
  }

  function leave() {
    if (outgoing.has(id)) outgoing.get(id).left = field.value;
    keepDraft(id, field.value);
    shareSoon(id, 0);
    composer = null;
  }

  // Another device has changed what is being written. What was typed here since stays.
  function heard(before) {
    if (outgoing.has(id) || sharing.has(id) || field.value !== before) return;
    if (field.value !== shared(id)) put(shared(id));
    isShared(id);
  }

  composer = {
    id,
    field,
    put,
    sent: () => {
      late = late && outgoing.get(id)?.length > 0;
      grow();
      sent();
    },
  };
  return { element, field, leave, heard };
}
