// Finding friends: making invites, using them, and answering requests.

import { avatar, button, careful, clean, copyable, during, h, moment, nameOf, say, sentence, viewHead, wordList } from "/dom.js";
import { get, loadFriends, loadMessages, loadRequests, loadRooms, post, state, watch } from "/node.js";

const DAY = 24 * 60 * 60;

export function addView() {
  const open = h("article", { class: "card", hidden: true });
  return { element: h("section", { class: "page" }, viewHead("Add a friend"), inviteCard(open), linkCard(), open,
    h("article", { class: "card" }, h("h2", {}, "Several people at once"), h("p", {}, "In a room, all who are in it read what each one writes."), h("a", { class: "plain", href: "#/new-room" }, "Make a room"))) };
}

function inviteCard(open) {
  const expires = h("select", { id: "expires" },
    h("option", { value: String(60 * 60) }, "1 hour"),
    h("option", { value: String(DAY) }, "1 day"),
    h("option", { value: String(7 * DAY), selected: true }, "7 days"),
    h("option", { value: String(30 * DAY) }, "30 days"));
  const noIp = h("input", { type: "checkbox", id: "no-ip" });
  const autoAccept = h("input", { type: "checkbox", id: "auto-accept" });
  const result = h("div", { class: "result", "aria-live": "polite" });
  const make = button("Make an invite", async () => {
    const invite = await post("/api/v1/invites", { expires_in: Number(expires.value), no_ip: noIp.checked, auto_accept: autoAccept.checked });
    make.textContent = "Make another one";
    result.replaceChildren(...inviteResult(invite, autoAccept.checked));
    await showOpen(open);
  }, { class: "primary" });
  showOpen(open);
  return h("article", { class: "card" },
    h("h2", {}, "Invite somebody"),
    h("p", {}, "Make a link and give it to one person: by e-mail, by another messenger, or by letting them scan the picture."),
    make,
    result,
    h("details", {}, h("summary", {}, "Options"),
      h("p", { class: "field" }, h("label", { for: "expires" }, "The invite is good for"), expires),
      h("p", { class: "check" }, autoAccept, h("label", { for: "auto-accept" }, "Accept the one who comes with it, without asking me")),
      h("p", { class: "check" }, noIp, h("label", { for: "no-ip" }, "Leave my network addresses out of it (your friend then needs another way to find you)"))));
}

// What is to be said of an invite that somebody may still use.
const INVITE = {
  open: "Nobody has used it yet.",
  spoiled: "Somebody who has the link has put something else in its place, so it may lead nowhere. Take it back, and make a new one.",
};

// The invites that are open, each with a way to take it back.
async function showOpen(card) {
  const row = (invite) => [
    h("p", { class: invite.state === "spoiled" ? "warning" : "hint" }, `${INVITE[invite.state]} It is good until ${moment(invite.expires)}.`),
    button("Take it back", async () => {
      await post(`/api/v1/invites/${encodeURIComponent(invite.invite)}/revoke`);
      await showOpen(card);
    }),
  ];
  try {
    const invites = (await get("/api/v1/invites")).invites.filter((invite) => INVITE[invite.state]);
    card.replaceChildren(h("h2", {}, "Your open invites"), ...invites.flatMap(row));
    card.hidden = invites.length === 0;
  } catch {
    // The connection's own trouble is shown by the banner.
  }
}

function inviteResult(invite, autoAccept) {
  const picture = invite.qr ? h("img", { class: "qr", alt: "The invite as a QR code", src: `data:image/svg+xml,${encodeURIComponent(invite.qr)}` }) : null;
  return [
    invite.warning ? h("p", { class: "warning", role: "alert" }, sentence(invite.warning)) : null,
    copyable("Invite link", invite.link),
    picture,
    h("p", { class: "hint" }, `Good for one person, until ${moment(invite.expires)}. `,
      autoAccept ? "Whoever uses it first becomes your friend." : "When it is used, you are asked here whether to accept."),
  ].filter(Boolean);
}

function linkCard() {
  const target = h("textarea", { id: "target", rows: "3", required: true, spellcheck: "false", autocapitalize: "off", class: "mono", placeholder: "symbolon:…" });
  const note = h("input", { id: "note", type: "text", placeholder: "It’s me, we met on Friday" });
  const submit = h("button", { type: "submit", class: "primary" }, "Ask for friendship");
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        const request = await post("/api/v1/requests", { target: target.value.trim(), note: note.value.trim() || null });
        target.value = "";
        note.value = "";
        say(request.status === "unresolved" ? "It waits until there is a way to them." : "Asked. You will be friends once they accept.");
        await loadRequests();
        location.hash = "#/requests";
      });
    },
  },
    h("p", { class: "field" }, h("label", { for: "target" }, "Invite link or Peer ID"), target),
    h("p", { class: "field" }, h("label", { for: "note" }, "A line to go with it (if you like)"), note),
    submit);
  return h("article", { class: "card" }, h("h2", {}, "Use an invite"), h("p", {}, "Somebody gave you a link? Paste it here."), form);
}

export function requestsView() {
  const list = h("div", {});
  const draw = () => list.replaceChildren(...requestSections());
  const unwatch = watch((what) => {
    if (what === "requests") draw();
  });
  draw();
  return { element: h("section", { class: "page" }, viewHead("Requests"), list), gone: unwatch };
}

function requestSections() {
  const incoming = state.requests.filter((one) => one.direction === "in" && one.status === "pending");
  const open = state.requests.filter((one) => !incoming.includes(one) && ["pending", "unresolved", "accepted"].includes(one.status));
  const past = state.requests.filter((one) => !incoming.includes(one) && !open.includes(one));
  if (state.requests.length === 0) {
    return [h("div", { class: "empty" }, h("h2", {}, "No requests"),
      h("p", {}, "When somebody uses an invite of yours, they appear here, and you decide."),
      h("a", { class: "primary", href: "#/add" }, "Make an invite"))];
  }
  return [
    incoming.length ? h("h2", { class: "section" }, "Waiting for your answer") : null,
    ...incoming.map(requestCard),
    open.length ? h("h2", { class: "section" }, "Under way") : null,
    ...open.map(requestCard),
    past.length ? h("details", { class: "past", open: incoming.length + open.length === 0 }, h("summary", {}, "Earlier"), past.map(requestCard)) : null,
  ].filter(Boolean);
}

const TRUST = {
  verified: "You have compared words.",
  introduced: "Vouched for by a common friend. To be sure, compare the words.",
  invited: "Came with an invite of yours. If you gave it to one person only, it is most likely that person; to be sure, compare the words.",
  room: "Met in a room. Compare the words before you trust it.",
  unknown: "Nothing vouches for who this is. Compare the words before you trust it.",
};

function standing(one) {
  const incoming = one.direction === "in";
  if (one.kind === "introduction") {
    const by = one.introduced_by.length ? one.introduced_by.map(clean).join(", ") : "a friend";
    switch (one.status) {
      case "pending": return incoming ? `could be a friend of yours: ${by} introduces you to each other.` : "and a friend of yours are asked whether they want to meet.";
      case "accepted": return `was introduced by ${by}, and you would like to meet. The rest goes by itself once they agree.`;
      case "confirmed": return incoming ? `was introduced by ${by}.` : "and a friend of yours have both agreed to meet.";
      default: break;
    }
  }
  switch (one.status) {
    case "pending": return incoming ? "asks to be your friend" : "has not answered yet. This goes on by itself, also when you close the page.";
    case "unresolved": return one.trust === "invited" ? "is to be asked as soon as their invite can be read." : "is looked for: nothing was found under this Peer ID yet. The request waits until there is a way.";
    case "accepted": return incoming ? "was accepted by you. Waiting for their confirmation." : "has accepted. One more step, which goes by itself.";
    case "confirmed": return "is your friend.";
    case "ignored": return "was set aside.";
    case "blocked": return "is blocked.";
    case "expired": return "was not answered in time.";
    case "cancelled": return "was taken back.";
    default: return clean(one.status);
  }
}

// Both sides are offered to compare, also who was given the invite.
function compareHint(one) {
  const friend = one.status === "confirmed" && state.friends.find((friend) => friend.id === one.peer);
  if (!friend || friend.trust === "verified") return null;
  return h("p", { class: "hint" }, "To be sure that it is really them, ", h("a", { href: `#/friend/${friend.id}` }, "compare your words"), ".");
}

const listed = (names) => names.map(clean).join(", ");

// A friend has brought me into a room: nothing of it is shown before I say yes.
function roomCard(one) {
  const answer = (verb, text) => async () => {
    await post(`/api/v1/requests/${encodeURIComponent(one.request)}/${verb}`);
    say(text);
    await Promise.all([loadRequests(), loadRooms(), loadMessages()]);
  };
  return h("article", { class: "card request" },
    h("div", { class: "row" }, avatar(one.room, one.room_name), h("p", { class: "grow" }, nameOf(one.name), " has brought you into the room ", nameOf(one.room_name), ". Nothing of it is shown before you come in.")),
    one.fault ? h("p", { class: "warning" }, sentence(one.fault), `: ${listed(one.parted)}.`) : null,
    one.members.length ? h("p", {}, `Also there: ${listed(one.members)}.`) : null,
    h("div", { class: "buttons" },
      button("Come in", answer("accept", "You are in the room."), { class: "primary" }),
      careful("Leave it", "Really leave?", answer("ignore", "You leave the room."))));
}

function requestCard(one) {
  if (one.kind === "room") return roomCard(one);
  const answer = (verb, text) => async () => {
    await post(`/api/v1/requests/${encodeURIComponent(one.request)}/${verb}`);
    say(text);
    await Promise.all([loadRequests(), loadFriends()]);
  };
  const block = async () => {
    await post("/api/v1/block", { who: one.request });
    say("Blocked.");
    await Promise.all([loadRequests(), loadFriends()]);
  };
  const unblock = async () => {
    await post("/api/v1/unblock", { who: one.request });
    await Promise.all([loadRequests(), loadFriends()]);
  };
  const incoming = one.direction === "in";
  // A friend is shown under the petname, which poses as nobody else.
  const name = state.friends.find((friend) => friend.id === one.peer)?.name ?? one.name;
  const accept = button("Accept", answer("accept", "Accepted."), { class: "primary" });
  const buttons = [];
  if (incoming && one.status === "pending") {
    buttons.push(accept, button("Not now", answer("ignore", "Set aside. They are not told.")));
    if (one.kind === "friend") buttons.push(careful("Block", "Really block?", block));
  } else if (incoming && one.status === "ignored") {
    buttons.push(accept);
    if (one.kind === "friend") buttons.push(careful("Block", "Really block?", block));
  } else if (one.status === "blocked") {
    buttons.push(button("Take the block back", unblock));
  }
  return h("article", { class: "card request" },
    h("div", { class: "row" }, avatar(one.peer, name), h("p", { class: "grow" }, nameOf(name), " ", standing(one))),
    one.fault ? h("p", { class: "warning" }, sentence(one.fault), ".") : null,
    one.note ? h("blockquote", { dir: "auto" }, clean(one.note)) : null,
    incoming && one.status === "pending" ? h("p", { class: "hint" }, TRUST[one.trust] ?? "") : null,
    compareHint(one),
    one.words && one.status !== "confirmed" ? h("details", {}, h("summary", {}, "Their words"), wordList(one.words)) : null,
    buttons.length ? h("div", { class: "buttons" }, buttons) : null);
}
