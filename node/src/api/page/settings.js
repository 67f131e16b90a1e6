// Who I am, and how the node is doing.

import { bounded, button, careful, clean, copyable, during, h, nameOf, say, sentence, viewHead, wordList } from "/dom.js";
import { call, get, loadMe, picture, post, state, watch } from "/node.js";
import { devicesCard } from "/devices.js";
import { relayCard } from "/relays.js";

export function settingsView() {
  const me = state.me;
  const health = h("div", { class: "checked", "aria-live": "polite" }, h("p", { class: "hint" }, "Checking …"));
  const check = () => showHealth(health);
  // What was found holds no longer when one of these has changed.
  let soon = null;
  const unwatch = watch((what) => {
    if (["friends", "relays", "phrase", "found"].includes(what)) soon ??= setTimeout(() => { soon = null; check(); }, 500);
  });
  check();
  return {
    gone: () => {
      unwatch();
      clearTimeout(soon);
    },
    element: h("section", { class: "page" }, viewHead("My identity and settings"),
      nameCard(me),
      h("article", { class: "card" }, h("h2", {}, "My words"),
        h("p", {}, "When a friend wants to be sure that it is really you, read these words out to them, by voice or in person."), wordList(me.words)),
      idCard(me),
      devicesCard(),
      relayCard(),
      roomsCard(),
      h("article", { class: "card" }, h("h2", {}, "Status"), health, h("p", { class: "only-lost" }, "This is not known while your node does not answer."), button("Refresh", check)),
      h("article", { class: "card" }, h("h2", {}, "Signed-in browsers"),
        h("p", {}, "A tab that you signed in stays signed in for 30 days. This signs out all of them, this one too. “symbolon page” prints an address to sign in again."),
        careful("Sign out everywhere", "Really sign out?", async () => {
          await post("/api/v1/sessions/end");
          sessionStorage.clear();
          location.reload();
        })),
      h("article", { class: "card" }, h("h2", {}, "Stop the node"),
        h("p", {}, "While it is stopped, you get no messages. What friends write waits on their devices, or at a relay of yours if you have one. “symbolon up” starts it again."),
        careful("Stop", "Really stop?", async () => {
          await post("/api/v1/stop");
          say("Stopping.");
        }))),
  };
}

function idCard(me) {
  const toggle = button(me.findable ? "Turn off friend requests by Peer ID" : "Allow friend requests by Peer ID", async () => {
    await post("/api/v1/identity/findable", { findable: !me.findable });
    await loadMe();
    card.replaceWith(idCard(state.me));
    say(state.me.findable ? "Anyone who knows your Peer ID can send you a friend request." : "Nobody can send you a request by your Peer ID any longer.");
  });
  const qr = h("img", { class: "qr small", alt: "My Peer ID as a QR code" });
  picture("/api/v1/identity/qr").then((source) => { qr.src = source; }, () => qr.remove());
  const card = h("article", { class: "card" }, h("h2", {}, "My Peer ID"),
    h("p", {}, me.findable
      ? "Your public ID. Friend requests by Peer ID are on: anyone who knows it can send you one, and sees your name. You decide about each request."
      : "Your public ID. To let someone add you, send an invite, or allow friend requests by Peer ID below."),
    copyable("Peer ID", me.id), qr, toggle);
  return card;
}

// Whether a room to which a friend adds me is shown at once.
function roomsCard() {
  const card = h("article", { class: "card" });
  const draw = ({ settings }) => {
    const asks = settings.find((one) => one.setting === "rooms")?.value === "ask";
    const vouches = settings.find((one) => one.setting === "vouch")?.value === "on";
    card.replaceChildren(h("h2", {}, "Rooms"),
      h("p", {}, asks
        ? "When a friend adds you to a room, you are asked first; nothing of it is shown before you say yes."
        : "A room to which a friend adds you appears at once. If somebody is in it whom you have blocked, or with whom your friendship has ended, you are asked first."),
      button(asks ? "Show such rooms at once" : "Always ask me first", async () => {
        draw(await post("/api/v1/settings", { setting: "rooms", value: asks ? "join" : "ask" }));
        say("Saved.");
      }),
      h("p", {}, vouches
        ? "A friend who knocks at a room that you are in is let in by your node, without a question."
        : "A friend who knocks at a room that you are in waits until you vouch for them."),
      button(vouches ? "Ask me before I vouch" : "Vouch for friends", async () => {
        draw(await post("/api/v1/settings", { setting: "vouch", value: vouches ? "off" : "on" }));
        say("Saved.");
      }));
  };
  get("/api/v1/settings").then(draw, () => card.remove());
  return card;
}

export function nameCard(me, title = "My name", about = "New friends see this name first. The friends you have see a new name on their page about you.") {
  const name = bounded(h("input", { id: "own-name", type: "text", value: me.name, required: true, maxlength: "64", dir: "auto" }), 64);
  const submit = h("button", { type: "submit", class: "primary" }, "Save");
  const form = h("form", {
    class: "inline",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await call("PUT", "/api/v1/identity/name", { name: name.value.trim() });
        await loadMe();
        say("Saved.");
      });
    },
  }, name, submit);
  return h("article", { class: "card" }, h("h2", {}, h("label", { for: "own-name" }, title)), h("p", {}, about), form,
    me.beware ? h("p", { class: "warning" }, sentence(me.beware), ": friends will see it marked and numbered.") : null);
}

// Hints are written for a terminal too, where backquotes mark what can be typed. What is in
// order and has something to know beside it gets no tick.
function checkRow({ check, ok, detail, hint }) {
  const before = !ok ? h("strong", {}, "Problem: ") : hint ? h("span", { class: "unseen" }, "Note: ") : h("span", { class: "unseen" }, "In order: ");
  const words = h("span", {}, before, `${clean(check)}: ${clean(detail).replaceAll("`", "")}.`);
  return h("li", { class: !ok ? "bad" : hint ? "note" : "good" }, words, hint ? h("p", { class: "hint" }, clean(hint).replaceAll("`", "")) : null);
}

async function showHealth(place) {
  try {
    const { checks } = await get("/api/v1/doctor");
    place.replaceChildren(h("ul", { class: "checks" }, checks.map(checkRow)));
  } catch (problem) {
    place.replaceChildren(h("p", {}, problem.message), h("p", { class: "hint" }, problem.hint ?? ""));
  }
}
