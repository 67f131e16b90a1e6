// Finding friends: making invites, using them, and answering requests.

import { avatar, button, careful, clean, copyable, during, ended, h, moment, nameOf, say, sentence, viewHead, wordList } from "/dom.js";
import { get, loadFriends, loadMessages, loadRequests, loadRooms, post, state, waiting, watch } from "/node.js";

const DAY = 24 * 60 * 60;

export function addView() {
  const steps = firstSteps();
  return { gone: steps.gone, element: h("section", { class: "page" }, viewHead("Add a friend"), steps.element,
    h("article", { class: "card" }, h("h2", {}, "Several people at once"), h("p", {}, "In a room, everyone in it reads what each one writes."), h("a", { class: "plain", href: "#/new-room" }, "Make a room")),
    knockForm()) };
}

// All that two people need to become friends: an invite, a place to paste one, and who asks.
export function firstSteps() {
  const open = h("article", { class: "card", hidden: true });
  const asking = h("div", { "aria-live": "polite" });
  const under = h("div", {});
  const draw = () => {
    asking.replaceChildren(...waiting().map(requestCard));
    under.replaceChildren(...state.requests.filter((one) => one.direction === "out" && ["pending", "unresolved"].includes(one.status)).map(requestCard));
    showOpen(open);
  };
  const unwatch = watch((what) => {
    if (what === "requests") draw();
  });
  draw();
  const gone = () => {
    unwatch();
    putOnPaper(null);
  };
  return { element: h("div", { class: "stack" }, asking, inviteCard(open), linkCard(), under, open), gone };
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
    make.classList.remove("primary");
    result.replaceChildren(...inviteResult(invite, autoAccept.checked));
    // Some browsers allow it only right after the click; then there is the button beside the link.
    navigator.clipboard?.writeText(invite.link).then(() => say(invite.warning ? "The link is copied." : "The link is copied. Send it to your friend."), () => {});
    await showOpen(open);
  }, { class: "primary" });
  return h("article", { class: "card" },
    h("h2", {}, "Invite somebody"),
    h("p", {}, "Make a link and send it to one person: by e-mail, by another messenger, or let them scan the picture."),
    make,
    result,
    h("details", {}, h("summary", {}, "Options"),
      h("p", { class: "field" }, h("label", { for: "expires" }, "The invite expires after"), expires),
      h("p", { class: "check" }, autoAccept, h("label", { for: "auto-accept" }, "Accept the first person who uses it, without asking me")),
      h("p", { class: "check" }, noIp, h("label", { for: "no-ip" }, "Leave my network addresses out (your friend then needs another way to find you)"))));
}

// What is to be said of an invite that somebody may still use.
const INVITE = {
  open: "Nobody has used it yet.",
  spoiled: "Somebody who has the link has put something else in its place, so it may not work. Revoke it, and make a new one.",
};

// The invites that are open, each with a way to take it back.
async function showOpen(card) {
  const row = (invite) => [
    h("p", { class: invite.state === "spoiled" ? "warning" : "hint" }, `${INVITE[invite.state]} It expires on ${moment(invite.expires)}.`),
    button("Revoke", async () => {
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

function qrOf(invite) {
  return invite.qr ? h("img", { class: "qr", alt: "The invite as a QR code", src: `data:image/svg+xml,${encodeURIComponent(invite.qr)}` }) : null;
}

// What is printed while an invite is shown, in place of the page: its code, from whom it is, and the link. One at a time.
function putOnPaper(invite) {
  document.querySelector("body > .paper")?.remove();
  if (!invite) return;
  document.body.append(h("section", { class: "paper", "aria-hidden": "true" },
    qrOf(invite), h("h1", {}, clean(state.me?.name ?? "")), h("p", { class: "mono" }, invite.link), h("p", {}, `For one person, until ${moment(invite.expires)}.`)));
}

function inviteResult(invite, autoAccept) {
  putOnPaper(invite);
  const picture = qrOf(invite);
  return [
    invite.warning ? h("p", { class: "warning", role: "alert" }, ended(sentence(invite.warning)), " Relays are added under ", h("a", { href: "#/me" }, "My identity and settings"), ".") : null,
    copyable("Invite link", invite.link),
    picture,
    picture ? button("Print it", () => window.print()) : null,
    h("p", { class: "hint" }, `For one person. It expires on ${moment(invite.expires)}. `,
      autoAccept ? "The first person who uses it becomes your friend." : "When somebody uses it, you are asked here whether to accept."),
  ].filter(Boolean);
}

function linkCard() {
  const target = h("textarea", { id: "target", rows: "3", required: true, spellcheck: "false", autocapitalize: "off", class: "mono", placeholder: "symbolon:…" });
  const note = h("input", { id: "note", type: "text", placeholder: "It’s me, we met on Friday" });
  const submit = h("button", { type: "submit", class: "primary" }, "Send friend request");
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        const request = await post("/api/v1/requests", { target: target.value.trim(), note: note.value.trim() || null });
        target.value = "";
        note.value = "";
        say(request.status === "unresolved" ? "Not sent yet. This page shows how it stands." : "Request sent. You can write once they accept.");
        await loadRequests();
        location.hash = "#/requests";
      });
    },
  },
    h("p", { class: "field" }, h("label", { for: "target" }, "Paste the link that somebody sent you (or their Peer ID)"), target),
    h("p", { class: "field" }, h("label", { for: "note" }, "A line to go with it (optional)"), note),
    submit);
  return h("article", { class: "card" }, h("h2", {}, "Use an invite"), form);
}

export function requestsView() {
  const list = h("div", {});
  const draw = () => list.replaceChildren(...requestSections());
  const unwatch = watch((what) => {
    if (what === "requests" || what === "friends") draw();
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
    open.length ? h("h2", { class: "section" }, "Not finished yet") : null,
    ...open.map(requestCard),
    past.length ? h("details", { class: "past", open: incoming.length + open.length === 0 }, h("summary", {}, "Earlier"), past.map(requestCard)) : null,
  ].filter(Boolean);
}

const TRUST = {
  verified: "You have compared words.",
  introduced: "A friend of yours introduced you. To be sure, compare the words.",
  invited: "They used your invite. If you gave it to one person only, it is most likely that person. To be sure, compare the words.",
  room: "You know them only from a room. Compare the words before you trust it.",
  unknown: "Nobody you know confirms who this is. Compare the words before you trust it.",
};

function standing(one) {
  const incoming = one.direction === "in";
  if (one.kind === "introduction") {
    const by = one.introduced_by.length ? one.introduced_by.map(clean).join(", ") : "a friend";
    switch (one.status) {
      case "pending": return incoming ? `could be a friend of yours: ${by} introduces you to each other.` : "and a friend of yours are asked whether they want to meet.";
      case "accepted": return `was introduced by ${by}, and you would like to meet. The rest happens automatically once they agree.`;
      case "confirmed": return incoming ? `was introduced by ${by}.` : "and a friend of yours have both agreed to meet.";
      default: break;
    }
  }
  switch (one.status) {
    case "pending": return incoming ? "asks to be your friend" : "has not answered yet. You do not need to keep this page open.";
    case "unresolved": return one.trust === "invited" ? "was not reached. Your request can only be sent if their invite can still be read." : "was not found yet. Your request can only be sent once they are found.";
    case "accepted": return incoming ? "was accepted by you. Waiting for their confirmation." : "has accepted. The last step happens automatically.";
    case "confirmed": return state.friends.some((friend) => friend.id === one.peer) ? "is your friend." : "was your friend.";
    case "ignored": return "was set aside.";
    case "blocked": return "is blocked.";
    case "expired": return incoming ? "asked, and the request expired." : one.fault ? "did not get your request." : "did not answer in time.";
    case "cancelled": return incoming ? "took the request back." : "is not asked any more: you took the request back.";
    default: return clean(one.status);
  }
}

// Both sides are offered to compare, also who was given the invite.
function compareHint(one) {
  const friend = one.status === "confirmed" && state.friends.find((friend) => friend.id === one.peer);
  if (!friend || friend.trust === "verified") return null;
  return h("p", {}, h("a", { href: `#/chat/${friend.id}` }, "Write to them"), ". To be sure that it is really them, ", h("a", { href: `#/friend/${friend.id}` }, "compare your words"), ".");
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
    h("div", { class: "row" }, avatar(one.room, one.room_name), h("p", { class: "grow" }, nameOf(one.name), " has added you to the room ", nameOf(one.room_name), ". Nothing of it is shown before you join.")),
    one.fault ? h("p", { class: "warning" }, sentence(one.fault), `: ${listed(one.parted)}.`) : null,
    one.members.length ? h("p", {}, `Also there: ${listed(one.members)}.`) : null,
    h("div", { class: "buttons" },
      button("Join", answer("accept", "You are in the room."), { class: "primary" }),
      careful("Decline", "Really decline?", answer("ignore", "You are not in the room."))));
}

const KNOCK_IN = {
  pending: "knocks at the room",
  ignored: "knocked at the room, and was set aside:",
  accepted: "is being let in by you, into the room",
  confirmed: "is in the room",
};
const KNOCK_OUT = {
  unresolved: "You knock at a room. Its card is being fetched.",
  pending: "You knock at a room. Nobody has vouched for you yet.",
  accepted: "Somebody you know vouches for you. You are being let in.",
  confirmed: "You were let into the room.",
  cancelled: "This knock at a room has ended.",
};

// Somebody wants to come into a room: who is let in, and by whom.
function knockCard(one) {
  const incoming = one.direction === "in";
  const answer = (verb, text) => async () => {
    await post(`/api/v1/requests/${encodeURIComponent(one.request)}/${verb}`);
    say(text);
    await Promise.all([loadRequests(), loadRooms()]);
  };
  const name = one.name || "Somebody you do not know";
  const text = incoming
    ? [nameOf(name), " ", KNOCK_IN[one.status] ?? "knocked, and was not let into the room", " ", nameOf(one.room_name ?? ""), "."]
    : [KNOCK_OUT[one.status] ?? "You were turned away: nobody who was asked has vouched for you."];
  const vouch = button("Vouch", answer("accept", "You vouch for them. They come in if they know you."), { class: "primary" });
  const buttons = [];
  if (incoming && ["pending", "ignored"].includes(one.status)) buttons.push(vouch);
  if (incoming && one.status === "pending") buttons.push(button("Ignore", answer("ignore", "Set aside. They do not hear of it.")));
  if (!incoming && ["unresolved", "pending", "accepted"].includes(one.status)) buttons.push(careful("Take it back", "Really take it back?", answer("cancel", "Taken back.")));
  return h("article", { class: "card request" },
    h("div", { class: "row" }, avatar(incoming ? one.peer : one.request, incoming ? name : one.room_name ?? "?"), h("p", { class: "grow" }, text)),
    one.fault ? h("p", { class: "warning" }, sentence(one.fault)) : null,
    incoming && one.status === "pending" ? h("p", { class: "hint" }, "Vouch only for somebody whose words you have compared, or whom you know for sure.") : null,
    incoming && one.words && one.status !== "confirmed" ? h("details", {}, h("summary", {}, "Their words"), wordList(one.words)) : null,
    buttons.length ? h("div", { class: "buttons" }, buttons) : null);
}

// A card of a room, pasted.
function knockForm() {
  const card = h("textarea", { id: "room-card", rows: "3", required: true, spellcheck: "false", autocapitalize: "off", class: "mono", placeholder: "symbolon:…" });
  const submit = h("button", { type: "submit" }, "Knock");
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/rooms/knock", { card: card.value.trim() });
        card.value = "";
        say("You knock. Somebody in the room who knows you lets you in.");
        await loadRequests();
        location.hash = "#/requests";
      });
    },
  }, h("p", { class: "field" }, h("label", { for: "room-card" }, "Paste the room’s card"), card), submit);
  return h("article", { class: "card" }, h("h2", {}, "Knock at a room"), form);
}

function requestCard(one) {
  if (one.kind === "room") return roomCard(one);
  if (one.kind === "knock") return knockCard(one);
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
  const accept = button("Accept", async () => {
    await answer("accept", "Accepted.")();
    if (one.kind === "friend" && state.friends.some((friend) => friend.id === one.peer)) location.hash = `#/chat/${one.peer}`;
  }, { class: "primary" });
  const buttons = [];
  if (incoming && one.status === "pending") {
    buttons.push(accept, button("Not now", answer("ignore", "Set aside. They do not hear of it.")));
    if (one.kind === "friend") buttons.push(careful("Block", "Really block?", block));
  } else if (incoming && one.status === "ignored") {
    buttons.push(accept);
    if (one.kind === "friend") buttons.push(careful("Block", "Really block?", block));
  } else if (one.status === "blocked") {
    buttons.push(button("Unblock", unblock));
  }
  if (!incoming && one.kind === "friend" && ["pending", "unresolved"].includes(one.status)) {
    buttons.push(careful("Take the request back", "Really take it back?", answer("cancel", "Taken back.")));
  }
  return h("article", { class: "card request" },
    h("div", { class: "row" }, avatar(one.peer, name), h("p", { class: "grow" }, nameOf(name), " ", standing(one))),
    one.fault && one.status !== "cancelled" ? h("p", { class: "warning" }, ended(sentence(one.fault))) : null,
    one.note && !incoming ? h("p", { class: "hint" }, "You wrote:") : null,
    one.note ? h("blockquote", { dir: "auto" }, clean(one.note)) : null,
    incoming && one.status === "pending" ? h("p", { class: "hint" }, TRUST[one.trust] ?? "") : null,
    compareHint(one),
    one.words && one.status !== "confirmed" ? h("details", {}, h("summary", {}, "Their words"), wordList(one.words)) : null,
    buttons.length ? h("div", { class: "buttons" }, buttons) : null);
}
