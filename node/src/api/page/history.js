// The messages of one conversation: read in pages, backwards without end, and marked as read once they stood in the window.

import { button, clean, clock, day, h, icon, isLost, moment, nameOf, trouble } from "/dom.js";
import { MOST, PAGE, countUnread, get, post } from "/node.js";

// Word and evidence for every state of a message of ours.
const STATES = {
  queued: ["Waiting", "Kept on this device until your friend’s device, or a relay of theirs, can take it."],
  stored: ["Stored", "A mailbox has signed that it keeps the message for your friend."],
  delivered: ["Delivered", "Your friend’s device has signed that it has the message on disk."],
  read: ["Read", "Your friend’s device says that the message was read."],
  failed: ["Not delivered", "The message was given up"],
};

// From how far above the first message, or below the last one, the next page is read, in pixels.
const NEAR = 400;
// How far back the first new message is looked for, and how many are shown before it.
const LOOK_BACK = 1000;
const BEFORE_NEW = 20;
// Until what could not be marked as read is tried again, in milliseconds.
const AGAIN = 2000;
// So many pixels of a message may be cut off, and it is on show all the same.
const SLACK = 20;

const isNew = (message) => !message.mine && !message.line && message.state === "delivered";

export function makeHistory(id, one, hint, now) {
  const rows = new Map(); // message id -> row on show, in order
  const messages = new Map(); // the same, message id -> message
  const list = h("ol", { class: "messages", tabindex: "0", onscroll: () => scrolled() });
  const toEnd = button("To the newest", () => newest(), { class: "to-end", hidden: true });
  const element = h("div", { class: "history", role: "log", "aria-label": "Messages" }, list, toEnd);
  let hasEarlier = false; // before the first one on show
  let hasLater = false; // behind the last one on show
  let busy = false;
  let ended = false;
  let marking = null;
  let firstNew = null; // the first message that was not read when the conversation was opened
  let missed = false; // something came that is to be read
  let jumps = false; // and then the end is to be shown
  let stays = true; // the end is in the window, and stays there when the window changes
  // A notice that comes or goes changes what is in the window, and nothing scrolls then.
  const frame = new ResizeObserver(() => {
    if (stays) list.scrollTop = list.scrollHeight;
    looked();
  });
  frame.observe(list);

  const isLooking = () => document.visibilityState === "visible";
  const atEnd = () => !hasLater && list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const edge = (which) => [...messages.keys()].at(which);

  // Looks at history; nothing is marked.
  async function read(part) {
    const { messages: page } = await get(`/api/v1/messages?${new URLSearchParams({ who: id, limit: PAGE, ...part })}`);
    return page;
  }

  // The conversation as it is opened: where the first message stands that was not read, or at the end.
  const opened = (hit) => once(async () => {
    if (hit) return around(hit);
    const unread = now().unread ? (await read({ limit: LOOK_BACK })) : [];
    const at = unread.findIndex(isNew);
    if (at < 0) return newest();
    firstNew = unread[at].message;
    const from = Math.max(0, at - BEFORE_NEW);
    const page = unread.slice(from, from + PAGE);
    show(page, from > 0 || unread.length === LOOK_BACK, from + PAGE < unread.length);
    const line = list.querySelector(".new");
    list.scrollTop += line.getBoundingClientRect().top - list.getBoundingClientRect().top - 8;
    return looked();
  });

  // A text that was searched for, with what stands before and after it.
  async function around(hit) {
    const [before, message, after] = await Promise.all([read({ before: hit }), get(`/api/v1/messages/${encodeURIComponent(hit)}`), read({ since: hit })]);
    show([...before, message, ...after], before.length === PAGE, after.length === PAGE);
    rows.get(hit).classList.add("hit");
    rows.get(hit).scrollIntoView({ block: "center" });
    return looked();
  }

  async function newest() {
    const page = await read({});
    show(page, page.length === PAGE, false);
    list.scrollTop = list.scrollHeight;
    looked();
  }

  function show(page, before, behind) {
    rows.clear();
    messages.clear();
    hasEarlier = before;
    hasLater = behind;
    if (page.length === 0) list.replaceChildren(h("li", { class: "nothing" }, h("p", {}, "No messages yet. Say hello!"), hint));
    else list.replaceChildren();
    append(page);
  }

  // The way to the end, with how many are new below what is in the window.
  function drawToEnd() {
    const edge = list.getBoundingClientRect().bottom;
    const isBelow = ([key, message]) => isNew(message) && rows.get(key).getBoundingClientRect().bottom > edge + SLACK;
    const news = hasLater ? now().unread : [...messages].filter(isBelow).length;
    toEnd.hidden = !hasLater && news === 0;
    toEnd.textContent = news ? `${news} new · To the newest` : "To the newest";
  }

  // Adds behind the last row.
  function append(page) {
    if (page.length > 0) list.querySelector(".nothing")?.remove();
    for (const message of page) {
      const before = messages.get(edge(-1));
      if (!before || day(before.at) !== day(message.at)) list.append(dayRow(message));
      if (message.message === firstNew) list.append(newRow());
      list.append(take(message));
    }
  }

  // Adds before the first row; what is on show stays where it is.
  function prepend(page) {
    const old = [[...rows], [...messages]];
    const first = messages.get(edge(0));
    rows.clear();
    messages.clear();
    const added = document.createDocumentFragment();
    let before = null;
    for (const message of page) {
      if (!before || day(before.at) !== day(message.at)) added.append(dayRow(message));
      if (message.message === firstNew) added.append(newRow());
      added.append(take(message));
      before = message;
    }
    for (const [key, row] of old[0]) rows.set(key, row);
    for (const [key, message] of old[1]) messages.set(key, message);
    const height = list.scrollHeight - list.scrollTop;
    if (first && before && day(first.at) === day(before.at)) list.querySelector(".day")?.remove();
    list.prepend(added);
    list.scrollTop = list.scrollHeight - height;
  }

  function take(message) {
    const row = message.line ? lineRow(message) : messageRow(message, Boolean(one.room));
    rows.set(message.message, row);
    messages.set(message.message, message);
    return row;
  }

  // Takes rows away at one end, until no more than the most are on show.
  function trim(which) {
    const height = list.scrollHeight - list.scrollTop;
    while (rows.size > MOST) {
      const key = edge(which);
      rows.get(key).remove();
      rows.delete(key);
      messages.delete(key);
    }
    for (const row of list.querySelectorAll(".new")) {
      if (!rows.has(firstNew)) row.remove();
    }
    for (const row of list.querySelectorAll(".day")) {
      if (!row.nextElementSibling || row.nextElementSibling.classList.contains("day")) row.remove();
    }
    const first = messages.get(edge(0));
    if (first && !list.firstElementChild.classList.contains("day")) list.prepend(dayRow(first));
    if (which === 0) list.scrollTop = list.scrollHeight - height;
  }

  // One piece of work at a time; what failed is tried again while it is still wanted.
  async function once(work) {
    if (busy || ended) return;
    busy = true;
    let pause = 0;
    try {
      await work();
    } catch (problem) {
      pause = AGAIN;
      trouble(problem);
      if (isLost() && rows.size === 0) list.replaceChildren(h("li", { class: "nothing" }, "The messages are shown once your node answers again."));
    } finally {
      busy = false;
      drawToEnd();
      if (!ended) setTimeout(next, pause);
    }
  }

  function next() {
    if (missed) catchUp();
    else scrolled();
  }

  const earlier = () => once(async () => {
    const page = await read({ before: edge(0) });
    hasEarlier = page.length === PAGE;
    prepend(page);
    if (rows.size > MOST) {
      trim(-1);
      hasLater = true;
    }
  });

  const later = () => once(async () => {
    const page = await read({ since: edge(-1) });
    // Asked only now: they may have scrolled away meanwhile.
    const follow = atEnd();
    hasLater = page.length === PAGE;
    append(page.filter((message) => !rows.has(message.message)));
    if (rows.size > MOST) {
      trim(0);
      hasEarlier = true;
    }
    if (follow) list.scrollTop = list.scrollHeight;
  });

  function scrolled() {
    if (rows.size === 0 || ended) return;
    stays = atEnd();
    drawToEnd();
    looked();
    if (hasEarlier && list.scrollTop < NEAR) earlier();
    else if (hasLater && list.scrollHeight - list.scrollTop - list.clientHeight < NEAR) later();
  }

  // Something was written behind the last row: it is read from the node, which knows the order.
  async function catchUp() {
    missed = true;
    if (busy || ended) return;
    missed = false;
    const jump = jumps;
    jumps = false;
    if (hasLater && !jump) {
      drawToEnd();
      return;
    }
    if (rows.size === 0 || hasLater) await once(newest);
    else await later();
    if (jump) list.scrollTop = list.scrollHeight;
  }

  // News of a message: one on show is drawn again in its place.
  function came(message) {
    const old = rows.get(message.message);
    if (old) old.replaceWith(take(message));
    else catchUp();
  }

  function written() {
    jumps = true;
    return catchUp();
  }

  // Marks what stands in the window while somebody looks. The rest stays unread, and so it is for the friend.
  function looked() {
    if (!isLooking() || ended) return;
    marking ??= setTimeout(async () => {
      marking = null;
      if (!isLooking() || ended) return;
      try {
        await markShown();
      } catch {
        // It stays unread, and is marked with the next look.
        setTimeout(looked, AGAIN);
      }
    }, 150);
  }

  async function markShown() {
    const order = [...messages.keys()];
    const runs = [];
    for (const at of shownNew(order)) {
      const last = runs.at(-1);
      if (last && last.at + last.count === at) last.count += 1;
      else runs.push({ at, count: 1 });
    }
    for (const { at, count } of runs) {
      let [from, limit] = [at, count];
      if (from === 0) {
        // Nothing on show is before it by which it could be named.
        await post("/api/v1/messages/read", { who: id, before: order[1] ?? null, limit: 1 });
        [from, limit] = [1, count - 1];
      }
      if (limit > 0) await post("/api/v1/messages/read", { who: id, since: order[from - 1], limit });
      for (const key of order.slice(at, at + count)) {
        if (messages.has(key)) messages.get(key).state = "read";
      }
    }
    if (runs.length > 0) countUnread(one).catch(() => {});
  }

  // Where those stand that are new and can be seen, all but a line of them.
  function shownNew(order) {
    const frame = list.getBoundingClientRect();
    const found = [];
    for (let at = order.length - 1; at >= 0; at -= 1) {
      if (!isNew(messages.get(order[at]))) continue;
      const place = rows.get(order[at]).getBoundingClientRect();
      // A text that is longer than the window was shown when its end was.
      if (place.height > 0 && place.bottom <= frame.bottom + SLACK && place.bottom >= frame.top + SLACK) found.unshift(at);
    }
    return found;
  }

  // After a while without news: what is on show is brought up to date, and stays where it is.
  async function refresh() {
    if (busy) {
      missed = true;
      return undefined;
    }
    if (rows.size === 0) return opened();
    const { messages: page } = await get(`/api/v1/messages?${new URLSearchParams({ who: id, limit: PAGE })}`);
    const follow = atEnd();
    const joins = page.length < PAGE || page.some((message) => rows.has(message.message));
    if (!joins) {
      if (follow) return newest();
      hasLater = true;
      drawToEnd();
      return undefined;
    }
    for (const message of page) {
      const row = rows.get(message.message);
      if (row) row.replaceWith(take(message));
    }
    if (follow) list.scrollTop = list.scrollHeight;
    looked();
    return catchUp();
  }

  return {
    element,
    opened,
    came,
    written,
    refresh,
    looked,
    leave: () => {
      ended = true;
      frame.disconnect();
      clearTimeout(marking);
    },
  };
}

function newRow() {
  return h("li", { class: "new" }, h("span", {}, "New messages"));
}

function dayRow(message) {
  return h("li", { class: "day" }, day(message.at));
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
    const isAlone = message.delivered_by === "0/0";
    const [word, evidence] = isAlone ? ["Only here", ""] : STATES[message.state] ?? [clean(message.state), ""];
    const [have, all] = (message.delivered_by ?? "").split("/");
    const seen = (message.read_by ?? "").split("/")[0];
    const kept = message.state === "stored" ? " A mailbox has signed that it keeps it for others." : "";
    const many = message.delivered_by ? `${have} of ${all} have it: their devices have signed that.${kept} ${seen} of ${all} have read it.` : null;
    const short = seen === all ? `Read by ${all}` : `${have} of ${all} have it`;
    const why = message.state === "failed" && message.reason ? `${evidence}: ${clean(message.reason)}.` : isAlone ? "Nobody else is in this room." : many ?? evidence;
    const note = h("p", { class: "evidence", hidden: true }, why);
    const toggle = h("button", {
      type: "button",
      class: `state ${clean(message.state)}`,
      title: why,
      "aria-expanded": "false",
      onclick: () => {
        note.hidden = !note.hidden;
        toggle.setAttribute("aria-expanded", String(!note.hidden));
        note.scrollIntoView({ block: "nearest" });
      },
    }, icon(message.state in STATES ? message.state : "queued"), many && !isAlone && message.state !== "failed" ? short : word);
    meta.append(toggle);
    row.firstChild.append(note);
  }
  return row;
}
