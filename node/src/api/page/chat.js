// One conversation, with a friend or in a room.

import { button, clean, clock, day, during, h, icon, moment, nameOf, trouble, viewHead } from "/dom.js";
import { MOST, RECENT, belongsTo, friend, get, keep, markRead, post, room, watch } from "/node.js";

const TEXT_MAX = 16 * 1024; // bytes

// Word and evidence for every state of a message of ours.
const STATES = {
  queued: ["Waiting", "Safe on this device. It goes out as soon as your friend’s device can be reached."],
  stored: ["Stored", "A mailbox has signed that it keeps the message for your friend."],
  delivered: ["Delivered", "Your friend’s device has signed that it has the message on disk."],
  read: ["Read", "Your friend’s device says that the message was read."],
  failed: ["Not delivered", "The message was given up"],
};

// How long a message is tried, in seconds; without a number until it is delivered.
const LIFETIMES = [["", "No end"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "7 days"]];

export function chatView(id) {
  const one = friend(id);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such friend"), h("p", {}, "Choose a friend from the list.")) };
  }
  const compare = h("a", { class: "compare", href: `#/friend/${id}` }, "Compare words");
  return conversation(one, {
    id,
    about: h("a", { class: "plain", href: `#/friend/${id}`, "aria-label": "About this friend" }, icon("person"), h("span", {}, "About")),
    closed: (now) => now.blocked ? "You have blocked this friend." : null,
    news: "friends",
    now: () => friend(id) ?? one,
    standing: (now) => {
      const words = now.mutual === false ? "Waiting for their confirmation; what you write goes out then" : now.online === true ? { lan: "Online, on this network", relay: "Online, through a relay" }[now.path] ?? "Online" : now.online === false ? "Offline: messages wait here until you are both online" : "Not seen yet";
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
  removed: "You were removed from this room. What was written stays.",
};

export function roomView(id) {
  const one = room(id);
  if (!one) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "There is no such room"), h("p", {}, "Choose a room from the list.")) };
  }
  return conversation(one, {
    id,
    about: h("a", { class: "plain", href: `#/people/${id}`, "aria-label": "About this room" }, icon("person"), h("span", {}, "About")),
    closed: (now) => CLOSED[now.standing] ?? null,
    news: "rooms",
    now: () => room(id) ?? one,
    standing: (now) => {
      const people = now.members === 1 ? "Nobody but you" : `${now.members} people`;
      const invited = now.invited.length ? ` · invited: ${now.invited.map(clean).join(", ")}` : "";
      return [`${people}${invited}${now.topic ? ` · ${clean(now.topic)}` : ""}`];
    },
    hint: one.members === 1 ? h("p", {}, "Nobody else is here yet. ", h("a", { href: `#/people/${id}` }, "Add friends")) : null,
  });
}

function conversation(one, { id, about, closed, news, now, standing, hint }) {
  const rows = new Map(); // message id -> row on show
  const list = h("ol", { class: "messages", role: "log", "aria-label": "Messages", tabindex: "0" });
  const presence = h("small", {});
  const name = h("h1", {}, nameOf(one.name));
  const head = viewHead(h("div", { class: "grow" }, name, presence), about);
  const composer = makeComposer(id, Boolean(one.room), (message) => show(message, true));
  const shut = h("p", { class: "hint" });
  const element = h("section", { class: "chat" }, head, list, shut, composer.element);
  let limit = RECENT;
  let first = null; // the earliest message on show
  let seen = null; // the last message known to be read
  let marking = null;

  function drawPresence() {
    name.replaceChildren(nameOf(now().name));
    presence.replaceChildren(...standing(now()));
    const why = closed(now());
    shut.textContent = why ?? "";
    shut.hidden = why === null;
    composer.element.hidden = why !== null;
  }

  function atEnd() {
    return list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  }

  function show(message, jump = false) {
    const old = rows.get(message.message);
    // News about a message of ours from before what is on show.
    if (!old && message.mine && first && message.at < first.at) return;
    first ??= message;
    const follow = jump || atEnd();
    const row = message.line ? lineRow(message) : messageRow(message, Boolean(one.room));
    rows.set(message.message, row);
    if (old) {
      old.replaceWith(row);
    } else {
      list.querySelector(".nothing")?.remove();
      addDay(message);
      list.append(row);
    }
    if (follow) list.scrollTop = list.scrollHeight;
  }

  function addDay(message) {
    const label = day(message.at);
    const days = list.querySelectorAll(".day");
    if (days.length === 0 || days[days.length - 1].dataset.day !== label) {
      const row = h("li", { class: "day" }, label);
      row.dataset.day = label;
      list.append(row);
    }
  }

  function showAll(messages) {
    list.replaceChildren();
    rows.clear();
    first = null;
    if (messages.length === limit && limit < MOST) {
      list.append(h("li", { class: "earlier" }, button("Show earlier messages", async () => {
        limit = MOST;
        await load(false);
      })));
    }
    if (messages.length === 0) {
      list.append(h("li", { class: "nothing" }, h("p", {}, "No messages yet. Say hello!"), hint));
    }
    for (const message of messages) show(message);
  }

  // Reading marks as read, so it is done only while somebody is looking.
  async function load(jump) {
    const query = { who: id, limit };
    const looking = document.visibilityState === "visible";
    const answer = looking
      ? await post("/api/v1/messages/read", query)
      : await get(`/api/v1/messages?${new URLSearchParams(query)}`);
    showAll(answer.messages);
    if (looking) {
      markRead(one);
      seen = answer.messages.at(-1)?.message ?? null;
    }
    if (jump) list.scrollTop = list.scrollHeight;
  }

  // Several messages that come at once are marked at once.
  function markNew() {
    if (document.visibilityState !== "visible") return;
    marking ??= setTimeout(async () => {
      marking = null;
      try {
        const { messages } = await post("/api/v1/messages/read", { who: id, since: seen });
        seen = messages.at(-1)?.message ?? seen;
        markRead(one);
      } catch {
        // Marked when the conversation is looked at next.
      }
    }, 100);
  }

  const unwatch = watch((what, message) => {
    if (what === news) drawPresence();
    if (what === "message" && belongsTo(message, one)) {
      const isNew = !rows.has(message.message);
      show(message);
      if (isNew && !message.mine) markNew();
    }
    if (what === "messages") load(atEnd()).catch(() => {});
  });
  const onLook = () => load(false).catch(() => {});
  document.addEventListener("visibilitychange", onLook);

  drawPresence();
  load(true).catch(trouble);
  return {
    element,
    focus: matchMedia("(hover: hover)").matches ? composer.field : undefined,
    gone: () => {
      unwatch();
      clearTimeout(marking);
      document.removeEventListener("visibilitychange", onLook);
    },
  };
}

// What has happened in a room: written by nobody, so it stands in no bubble.
function lineRow(message) {
  return h("li", { class: "event" }, clean(message.text).replace(/[\n\t]/g, " "), " ", h("time", { datetime: message.at, title: moment(message.at) }, clock(message.at)));
}

function messageRow(message, inRoom) {
  const text = h("p", { class: "text", dir: "auto" }, clean(message.text));
  const time = h("time", { datetime: message.at, title: moment(message.at) }, clock(message.at));
  const meta = h("div", { class: "meta" }, time);
  const row = h("li", { class: message.mine ? "message mine" : "message" },
    h("div", { class: "bubble" },
      inRoom && !message.mine ? h("p", { class: "from" }, nameOf(message.from)) : h("span", { class: "unseen" }, message.mine ? "You: " : `${clean(message.from)}: `),
      text, meta));
  if (message.mine) {
    const [word, evidence] = STATES[message.state] ?? [clean(message.state), ""];
    const many = message.delivered_by ? `${message.delivered_by} have it, as their devices have signed; ${message.read_by} have read it.` : null;
    const why = message.state === "failed" && message.reason ? `${evidence}: ${clean(message.reason)}.` : many ?? evidence;
    const note = h("p", { class: "evidence", hidden: true }, why);
    const toggle = h("button", {
      type: "button",
      class: `state ${clean(message.state)}`,
      title: why,
      "aria-expanded": "false",
      onclick: () => {
        note.hidden = !note.hidden;
        toggle.setAttribute("aria-expanded", String(!note.hidden));
      },
    }, icon(message.state in STATES ? message.state : "queued"), message.delivered_by ? `${word} ${message.delivered_by}` : word);
    meta.append(toggle);
    row.firstChild.append(note);
  }
  return row;
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
  const lifetime = h("select", { "aria-label": "Give the message up when it is not delivered after", title: "How long to try to deliver it" }, LIFETIMES.map(([seconds, label]) => h("option", { value: seconds }, label)));
  const submit = h("button", { type: "submit", class: "primary round", "aria-label": "Send" }, icon("send"));
  const element = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); send(); } }, field, counter, ...(inRoom ? [submit] : [lifetime, submit]));

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
      grow();
      keep(message);
      sent(message);
    });
    field.focus();
  }

  return { element, field };
}
