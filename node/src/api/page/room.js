// Making a room, and who is in it.

import { avatar, bounded, button, careful, clean, copyable, during, h, moment, nameOf, say, trouble, viewHead } from "/dom.js";
import { get, loadMessages, loadRequests, loadRooms, post, room, state, watch } from "/node.js";

const ROLES = { member: "Member", admin: "Admin", owner: "Owner" };
const TRUST = { verified: "verified", introduced: "introduced by a friend", invited: "words not compared yet", room: "known from a room", unknown: "words not compared yet" };

// Friends to choose from, each with a box.
function picks(friends) {
  const boxes = friends.map((one) => h("input", { type: "checkbox", id: `pick-${one.id}`, value: one.id }));
  const element = h("fieldset", { class: "picks" }, h("legend", { class: "unseen" }, "Friends"),
    boxes.map((box, at) => h("p", { class: "check" }, box, h("label", { for: box.id }, nameOf(friends[at].name)))));
  return { element, chosen: () => boxes.filter((box) => box.checked).map((box) => box.value) };
}

const addable = (inside) => state.friends.filter((one) => one.mutual && !one.blocked && !inside.has(one.id));

export function newRoomView() {
  const name = bounded(h("input", { id: "room-name", type: "text", required: true, maxlength: "64", dir: "auto" }), 64);
  const friends = picks(addable(new Set()));
  const submit = h("button", { type: "submit", class: "primary" }, "Make the room");
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        const made = await post("/api/v1/rooms", { name: name.value.trim() });
        const who = friends.chosen();
        try {
          if (who.length) await post("/api/v1/rooms/add", { room: made.room, who });
        } catch (problem) {
          trouble(problem);
        }
        await loadRooms();
        location.hash = `#/room/${made.room}`;
      });
    },
  },
    h("p", { class: "field" }, h("label", { for: "room-name" }, "Its name, for all who are in it"), name),
    friends.element,
    submit);
  return {
    element: h("section", { class: "page" }, viewHead("Make a room"),
      h("article", { class: "card" }, h("p", {}, "Everybody in a room sees who else is in it, and reads what is written from then on. People who cannot be reached now come in later."), form)),
    focus: name,
  };
}

export function roomPeopleView(id) {
  const element = h("section", { class: "page" });
  let drawn = null;
  const draw = async () => {
    const one = room(id);
    if (!one) return element.replaceChildren(viewHead("Not found"), h("p", {}, "There is no such room."));
    // What is being typed is not thrown away by news about something else.
    const shown = JSON.stringify({ ...one, unread: 0 });
    if (shown === drawn) return;
    drawn = shown;
    const { members } = await get(`/api/v1/rooms/members?${new URLSearchParams({ room: id })}`);
    element.replaceChildren(...parts(one, members).filter(Boolean));
  };
  const unwatch = watch((what) => {
    if (what === "rooms") draw().catch(() => {});
  });
  draw().catch(trouble);
  return { element, gone: unwatch };
}

// Asks the node, and shows what has come of it.
async function change(path, body, text) {
  await post(`/api/v1/rooms/${path}`, body);
  await Promise.all([loadRooms(), loadMessages()]);
  if (text) say(text);
}

function parts(one, members) {
  const inside = one.standing === "member";
  const leads = inside && one.role !== "member";
  return [
    viewHead(h("div", { class: "row grow" }, avatar(one.room, one.name), h("h1", {}, nameOf(one.name))), h("a", { class: "primary", href: `#/room/${one.room}` }, inside ? "Write" : "Read")),
    peopleCard(one, members),
    leads ? addCard(one, members) : null,
    leads ? textCard(one, "rename", "name", "Name", "All who are in the room see it.", 64, true) : null,
    leads ? textCard(one, "topic", "topic", "What it is about", "All who are in the room see it.", 512, false) : null,
    inside ? knockCard(one) : null,
    hereCard(one),
    inside ? leaveCard(one) : null,
  ];
}

function peopleCard(one, members) {
  return h("article", { class: "card" }, h("h2", {}, "Who is in it"),
    one.added_by ? h("p", {}, "You were added by ", nameOf(one.added_by), ".") : null,
    h("ul", { class: "people" }, members.map((member) => memberRow(one, member)), one.invited.map((name) => invitedRow(one, name))),
    one.standing === "member" && one.role === "owner"
      ? h("p", { class: "hint" }, "A member writes. An admin also adds people, removes members, and changes the name. An owner also removes admins and says who is what; nobody removes an owner, or takes the role of an owner away.") : null);
}

function memberRow(one, member) {
  const mine = one.standing === "member" ? one.role : null;
  const known = member.me ? "you" : TRUST[member.trust] ?? "";
  const friend = state.friends.find((other) => other.id === member.id);
  const name = friend ? h("a", { href: `#/friend/${member.id}` }, nameOf(member.name)) : nameOf(member.name);
  const removable = !member.me && (mine === "owner" ? member.role !== "owner" : mine === "admin" && member.role === "member");
  return h("li", { class: "row" }, avatar(member.id, member.name),
    h("span", { class: "grow" }, name, h("small", {}, `${ROLES[member.role]}, ${known}`)),
    mine === "owner" && !member.me && member.role !== "owner" ? roleChoice(one, member) : null,
    removable ? careful("Remove", "Really remove?", () => change("remove", { room: one.room, who: [member.id] }, "Removed.")) : null,
    friend || member.me || one.standing !== "member" ? null : befriendButton(one, member),
    friend || member.me ? null : h("details", {}, h("summary", {}, "Peer ID"), h("p", { class: "mono" }, member.id)));
}

// They see a request like any other, and answer it or not.
function befriendButton(one, member) {
  const asked = state.requests.find((other) => other.peer === member.id && other.kind === "friend" && other.direction === "out" && other.status === "pending");
  if (asked) return h("small", {}, "Asked for friendship");
  return button("Send friend request", async () => {
    const request = await post("/api/v1/rooms/befriend", { room: one.room, who: member.id });
    say(request.status === "pending" ? "Asked. You will be friends once they accept." : "The rest happens automatically.");
    await Promise.all([loadRequests(), loadRooms()]);
    location.hash = "#/requests";
  });
}

function invitedRow(one, name) {
  const mayTakeBack = one.standing === "member" && one.role !== "member";
  return h("li", { class: "row" }, avatar("", name), h("span", { class: "grow" }, nameOf(name), h("small", {}, "Invited, not reached yet")),
    mayTakeBack ? button("Take it back", () => change("remove", { room: one.room, who: [name] })) : null);
}

function roleChoice(one, member) {
  const select = h("select", { "aria-label": `Role of ${clean(member.name)}` },
    Object.entries(ROLES).map(([role, label]) => h("option", { value: role, selected: role === member.role }, label)));
  // Nothing happens by the arrow keys alone.
  const submit = h("button", { type: "submit", disabled: true }, "Change role");
  select.addEventListener("change", () => { submit.disabled = select.value === member.role; });
  return h("form", {
    class: "inline role",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, () => change("role", { room: one.room, who: member.id, role: select.value }, "Changed."));
    },
  }, select, submit);
}

function addCard(one, members) {
  const friends = addable(new Set(members.map((member) => member.id)));
  if (friends.length === 0) return null;
  const list = picks(friends);
  const submit = h("button", { type: "submit", class: "primary" }, "Add");
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      const who = list.chosen();
      if (who.length) during(submit, () => change("add", { room: one.room, who }, "Added. Anyone who cannot be reached now comes in when they can."));
    },
  }, list.element, submit);
  return h("article", { class: "card" }, h("h2", {}, "Add friends"), h("p", {}, "They read what is written from then on."), form);
}

function textCard(one, path, field, title, text, most, required) {
  const input = h("input", { id: `room-${field}`, type: "text", value: one[field], required, maxlength: String(most), dir: "auto" });
  const submit = h("button", { type: "submit" }, "Save");
  const form = h("form", {
    class: "inline",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, () => change(path, { room: one.room, [field]: input.value.trim() }, "Saved."));
    },
  }, input, submit);
  return h("article", { class: "card" }, h("h2", {}, h("label", { for: input.id }, title)), h("p", {}, text), form);
}

// By a card people knock at the room, and a member who knows them lets them in.
function knockCard(one) {
  const result = h("div", { class: "result", "aria-live": "polite" });
  const make = button("Show a card", async () => {
    const made = await post("/api/v1/rooms/card", { room: one.room });
    const picture = made.qr ? h("img", { class: "qr", alt: "The card as a QR code", src: `data:image/svg+xml,${encodeURIComponent(made.qr)}` }) : "";
    result.replaceChildren(copyable("Room card", made.card), picture, h("p", { class: "hint" }, `It is good until ${moment(made.expires)}.`));
  });
  return h("article", { class: "card" }, h("h2", {}, "Let people knock"),
    h("p", {}, "Anyone who has the room’s card can knock, and comes in if somebody in the room is a friend of theirs. It needs a hub: a relay of yours that is one, or this node."), make, result);
}

// What is so on this side alone.
function hereCard(one) {
  const note = (field) => change("note", { room: one.room, [field]: !one[field] });
  return h("article", { class: "card" }, h("h2", {}, "Here"), h("p", {}, "Only you see these."),
    h("div", { class: "buttons" },
      button(one.muted ? "Unmute" : "Mute", () => note("muted")),
      button(one.archived ? "Unarchive" : "Archive", () => note("archived"))));
}

// Who becomes the owner, when the only one leaves.
function inherits(one) {
  const names = (one.heirs ?? []).map(clean);
  if (names.length === 0) return "";
  return names.length === 1 ? ` ${names[0]} then becomes the owner.` : ` One of those who have been here longest then becomes the owner (${names.join(", ")}).`;
}

function leaveCard(one) {
  return h("article", { class: "card" }, h("h2", {}, "Leave"),
    h("p", {}, "All others see that you have left. What was written stays here; to come back, somebody has to add you again.",
      inherits(one)),
    careful("Leave the room", "Really leave?", () => change("leave", { room: one.room }, "You leave the room.")));
}
