// About one friend: name, words, block.

import { avatar, bounded, button, careful, clean, copyable, during, h, icon, nameOf, redraw, say, sentence, viewHead, wordList } from "/dom.js";
import { friendDevicesCard } from "/devices.js";
import { friend, get, loadFriends, loadMessages, loadRooms, post, state, watch } from "/node.js";

export function friendView(id) {
  const element = h("section", { class: "page" });
  const draw = () => redraw(element, () => element.replaceChildren(...parts(id)));
  // What is being typed is not thrown away by news about somebody else.
  const look = () => JSON.stringify({ ...friend(id), unread: 0, online: null, path: null });
  let shown = look();
  const unwatch = watch((what) => {
    const now = look();
    if (what === "friends" && now !== shown) {
      shown = now;
      draw();
    }
  });
  draw();
  return { element, gone: unwatch };
}

function parts(id) {
  const one = friend(id);
  if (!one) return [viewHead("Not found"), h("p", {}, "There is no such friend.")];
  return [
    viewHead(h("div", { class: "row grow" }, avatar(one.id, one.name), h("h1", {}, nameOf(one.name))),
      h("a", { class: "primary", href: `#/chat/${one.id}` }, one.blocked ? "Read" : "Write")),
    one.beware ? h("p", { class: "warning" }, sentence(one.beware), ". Only the Peer ID and the words below tell who it is.") : null,
    nameCard(one),
    wordsCard(one),
    introduceCard(one),
    friendDevicesCard(one, loadFriends),
    h("article", { class: "card" }, h("h2", {}, "Peer ID"), h("p", {}, `The permanent ID of ${clean(one.name)}. It never changes.`), copyable("Peer ID", one.id)),
    blockCard(one),
    unfriendCard(one),
  ].filter(Boolean);
}

function nameCard(one) {
  const name = bounded(h("input", { id: "petname", type: "text", value: one.name, required: true, maxlength: "64", dir: "auto" }), 64);
  const submit = h("button", { type: "submit" }, "Rename");
  const form = h("form", {
    class: "inline",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/friends/rename", { friend: one.id, name: name.value.trim() });
        say("Renamed.");
        await Promise.all([loadFriends(), loadMessages()]);
      });
    },
  }, name, submit);
  return h("article", { class: "card" }, h("h2", {}, h("label", { for: "petname" }, "Name")), h("p", {}, "Only you see this name; change it as you like."), form, ownName(one));
}

// What they call themselves is theirs to say: it takes the place of no name here unless the user says so.
function ownName(one) {
  if (!one.calls_themself) return null;
  return h("p", { class: "hint" }, `${clean(one.name)} uses the name “${clean(one.calls_themself)}”. `,
    button("Use this name", async () => {
      await post("/api/v1/friends/rename", { friend: one.id, name: one.calls_themself });
      say("Renamed.");
      await Promise.all([loadFriends(), loadMessages()]);
    }));
}

function wordsCard(one) {
  const verified = one.trust === "verified";
  const same = button("The words are the same", async () => {
    await post("/api/v1/friends/verify", { friend: one.id, words: one.words });
    say("Verified.");
    await loadFriends();
  }, { class: "primary" });
  return h("article", { class: "card" },
    h("h2", {}, verified ? icon("shield") : null, verified ? "Verified" : "Is it really them?"),
    h("p", {}, verified
      ? `You compared words: this is really ${clean(one.name)}. These are their words:`
      : "Call your friend, or meet. Let them read out “My words” from their settings, and compare with these:"),
    wordList(one.words),
    verified ? null : same,
    h("p", { class: "hint" }, verified
      ? "If they differ when you compare again: do not write anything secret. End the friendship below, and make it again by another way."
      : "If one word is different: do not write anything secret. End the friendship below, and make it again by another way."),
    h("details", {}, h("summary", {}, "Your own words, to read out to your friend"), state.me ? wordList(state.me.words) : null));
}

// Brings this friend together with another one.
function introduceCard(one) {
  const others = state.friends.filter((other) => other.id !== one.id && other.mutual && !other.blocked);
  if (one.blocked || !one.mutual || others.length === 0) return null;
  const target = h("select", { id: "introduce" }, others.map((other) => h("option", { value: other.id }, nameOf(other.name))));
  const submit = h("button", { type: "submit" }, "Introduce");
  const form = h("form", {
    class: "inline",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/introductions", { asker: one.id, target: target.value });
        say("Both are asked.");
      });
    },
  }, target, submit);
  const by = one.introduced_by.length ? h("p", {}, `You were introduced by ${one.introduced_by.map(clean).join(", ")}.`) : null;
  return h("article", { class: "card" }, h("h2", {}, h("label", { for: "introduce" }, "Introduce to")), by,
    h("p", {}, "Both must agree. If one says no, the other one does not hear of it."), form);
}

// The rooms that both are in, with a box to leave them.
function commonRooms(one, id) {
  const box = h("input", { type: "checkbox", id });
  const element = h("div", { hidden: true });
  get(`/api/v1/rooms/with?${new URLSearchParams({ who: one.id })}`).then(({ rooms }) => {
    if (rooms.length === 0) return;
    element.replaceChildren(
      h("p", {}, `Both of you are in: ${rooms.map((room) => clean(room.name)).join(", ")}. In a room you no longer see what they write; they may still get what you write there, perhaps later.`),
      h("p", { class: "check" }, box, h("label", { for: id }, rooms.length === 1 ? "Leave this room, too" : "Leave these rooms, too")));
    element.hidden = false;
  }, () => {});
  return { element, leaves: () => box.checked };
}

function unfriendCard(one) {
  const rooms = commonRooms(one, "unfriend-rooms");
  return h("article", { class: "card" }, h("h2", {}, "End the friendship"),
    h("p", {}, "You can no longer write to each other, and messages that still wait are given up. Nothing tells them: on their page you look like somebody who is not online, and what they write waits. What was written stays on this device, and the search finds it. With a new invite you can become friends again."),
    rooms.element,
    careful("End the friendship", "Really end it?", async () => {
      await post("/api/v1/friends/unfriend", { friend: one.id, leave_rooms: rooms.leaves() });
      say(`No longer friends with ${clean(one.name)}.`);
      location.hash = "#/";
      await Promise.all([loadFriends(), loadRooms(), loadMessages()]);
    }));
}

function blockCard(one) {
  if (one.blocked) {
    return h("article", { class: "card" }, h("h2", {}, "Blocked"), h("p", {}, "Nothing from this friend reaches you. They do not hear of it. What they write meanwhile stays on their side, and comes once you unblock them."),
      button("Unblock", async () => {
        await post("/api/v1/unblock", { who: one.id });
        await loadFriends();
      }));
  }
  const rooms = commonRooms(one, "block-rooms");
  return h("article", { class: "card" }, h("h2", {}, "Block"), h("p", {}, "Nothing more from this friend will reach you while they are blocked. They do not hear of it. You can unblock them later; what they wrote meanwhile comes then."),
    rooms.element,
    careful("Block this friend", "Really block?", async () => {
      await post("/api/v1/block", { who: one.id, leave_rooms: rooms.leaves() });
      say("Blocked.");
      await Promise.all([loadFriends(), loadRooms()]);
    }));
}
