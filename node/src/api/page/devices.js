// My devices: several computers that are one person to friends.

import { bounded, button, careful, clean, copyButton, copyable, during, ended, h, hush, moment, nameOf, redraw, say, sentence, when } from "/dom.js";
import { get, loadAll, loadMe, post, state, tell } from "/node.js";

// While something is under way, the card looks again.
const AGAIN = 2000;

const groups = (code) => code.match(/.{1,4}/g).join("-");

export function devicesCard() {
  const card = h("article", { class: "card" });
  const list = h("ul", { class: "people" });
  const pairing = h("div", { "aria-live": "polite" });
  const join = joinForm(() => draw());
  const words = wordsBox();
  const keep = keepBox(() => draw());
  let shown = "";
  const draw = async () => {
    const answer = await get("/api/v1/devices");
    const now = JSON.stringify(answer);
    if (now !== shown) {
      // A new device has used the code that is shown.
      if (shown && answer.devices.length > JSON.parse(shown).devices.length) pairing.replaceChildren(h("p", {}, "A new device of yours has joined. What was written before appears there within the next minutes."));
      shown = now;
      redraw(card, () => fill(card, answer, { list, pairing, join, words, keep, draw }));
    }
  };
  const follow = () => draw().catch(() => {}).finally(() => {
    if (card.isConnected) setTimeout(follow, AGAIN);
  });
  setTimeout(follow);
  return card;
}

function fill(card, answer, { list, pairing, join, words, keep, draw }) {
  const me = answer.devices.find((one) => one.this);
  const others = answer.devices.filter((one) => !one.this && !one.removed);
  keep.offer(others);
  list.replaceChildren(...answer.devices.map((one) => deviceRow(one, me, draw)));
  const isFresh = answer.devices.length === 1 && state.friends.length + state.rooms.length === 0 && me.first;
  card.replaceChildren(...[
    h("h2", {}, "My devices"),
    me.removed ? h("p", { class: "warning", role: "alert" }, "This device was removed by another one of yours: it sends and receives nothing any more. What is on it stays.") : null,
    h("p", {}, "Each computer on which you run Symbolon can be a device of yours. Your friends see one person, and every device has your conversations."),
    list,
    me.removed ? null : renameForm(me, draw),
    ...(me.first && !me.removed ? addForm(pairing) : []),
    !me.first && !me.removed ? h("p", { class: "hint" }, others.some((one) => one.first)
      ? "Further devices are added on your first one."
      : "A further device comes by your words, in a new folder: symbolon backup restore --phrase -.") : null,
    pairing,
    me.first && !me.removed ? words : null,
    others.length && !me.removed ? keep.element : null,
    isFresh ? h("details", {}, h("summary", {}, "Make this one a further device of mine"), join) : null].filter(Boolean));
}

// The words that bring their user back when every device is lost: shown until they are written down.
function wordsBox() {
  const place = h("div", { class: "result", "aria-live": "polite" });
  const show = async () => {
    const { phrase, relays } = await post("/api/v1/phrase");
    tell("phrase");
    place.replaceChildren(
      h("p", { class: "warning" }, "Write these words on paper, in this order. Anyone who has them is you: nobody may look over your shoulder now."),
      h("ol", { class: "words" }, ...phrase.split(" ").map((word) => h("li", {}, word))),
      relays.length
        ? h("p", {}, "Your friends and names lie at your relays, where only these words open them. Keep one of these links beside the words:")
        : h("p", { class: "hint" }, "You have no relay: without one the words bring back your name alone. Add a relay, or make backups with the command symbolon backup create."),
      ...relays.map((link) => copyable("Link of a relay", link)),
      h("p", { class: "hint" }, "Once they are on paper you can erase them here. They are then shown no more."),
      careful("I have written them down: erase them here", "Erase them here for good?", async () => {
        await post("/api/v1/phrase/confirm");
        tell("phrase");
        place.replaceChildren(h("p", {}, "The words are erased here. What you have written down is the only copy."));
      }),
    );
  };
  return h("details", {},
    h("summary", {}, "If all my devices are lost"),
    h("p", {}, "24 words bring you back on a new computer, with your friends. They are kept here until you have written them down and erase them. You use them on the new computer, in a terminal: “symbolon backup restore”."),
    button("Show the words", show),
    place);
}

// The way out when a device was stolen that this one cannot remove: the words say which devices are their user's.
function keepBox(done) {
  const phrase = h("textarea", { id: "keep-words", class: "mono", rows: "4", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  const stay = h("fieldset", { class: "picks" });
  let boxes = [];
  const offer = (others) => {
    const ticked = boxes.filter((box) => box.checked).map((box) => box.value);
    boxes = others.map((one) => h("input", { type: "checkbox", id: `keep-${one.device}`, value: one.device, checked: ticked.includes(one.device) }));
    stay.replaceChildren(h("legend", {}, "These stay mine, beside the one that you use now:"),
      ...boxes.map((box, at) => h("p", { class: "check" }, box, h("label", { for: box.id }, deviceName(others[at]), h("small", {}, ` ${activity(others[at])}`)))));
  };
  const element = h("details", {},
    h("summary", {}, "If a device was stolen that I cannot remove"),
    h("p", {}, "Your 24 words decide which devices are yours, whatever a thief says. All that are not ticked are out at once, at your friends, too. From then on a new device of yours comes by the words alone."),
    stay,
    h("p", { class: "field" }, h("label", { for: "keep-words" }, "Your recovery phrase, 24 words"), phrase),
    careful("Shut all others out", "Really shut them out?", async () => {
      await post("/api/v1/devices/keep", { phrase: phrase.value.trim(), devices: boxes.filter((box) => box.checked).map((box) => box.value) });
      phrase.value = "";
      say("Done. The others are out, and your friends learn of it.");
      await done();
    }));
  return { element, offer };
}

const deviceName = (one) => one.name ? nameOf(one.name) : one.this ? "This device" : one.first ? "Your first device" : "A device without a name";

const activity = (one) => one.removed ? `removed on ${moment(one.removed)}`
  : one.this ? "you are using it now"
    : !one.settled ? "was not met yet"
      : one.online ? "online now" : one.heard ? `last heard of ${when(one.heard)}` : "not heard of yet";

function deviceRow(one, me, draw) {
  const right = one.removed ? "" : one.first ? " It can add devices, and remove every other one." : " It can remove those that came after it.";
  const may = !one.this && !one.removed && !me.removed && (me.first || me.serial < one.serial);
  return h("li", { class: "row" },
    h("span", { class: "grow" }, deviceName(one), h("small", { class: "live" }, `${sentence(activity(one))}.${right}`)),
    may ? careful("Remove", "Really remove?", async () => {
      await post("/api/v1/devices/remove", { device: one.device });
      say("Removed. It reads nothing new, and your friends learn of it.");
      await draw();
    }) : null);
}

function renameForm(me, draw) {
  const name = bounded(h("input", { id: "device-name", type: "text", value: me.name, required: true, maxlength: "64", dir: "auto", placeholder: "Laptop" }), 64);
  const submit = h("button", { type: "submit" }, "Save");
  const form = h("form", {
    class: "inline",
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/devices/rename", { name: name.value.trim() });
        say("Saved.");
        await draw();
      });
    },
  }, name, submit);
  return h("div", {}, h("p", { class: "field" }, h("label", { for: "device-name" }, "Name of this device (only your own devices see it)")), form);
}

// What friends are to hear of the new device, if anything, and the code.
function addForm(pairing) {
  const news = h("input", { id: "tell-friends", type: "text", dir: "auto", maxlength: "200", placeholder: "I have another device now" });
  return [
    h("h3", {}, "A further device"),
    h("p", { class: "field" }, h("label", { for: "tell-friends" }, "Write this to all friends once the device has joined (leave it empty to write nothing)"), news),
    button("Add a device", async () => showCode(pairing, news.value.trim()))];
}

async function showCode(place, news) {
  const { code, qr, expires } = await post("/api/v1/devices/pair", { tell: news || null });
  place.replaceChildren(
    h("p", {}, "On the new device, start Symbolon, open its page, choose “I use Symbolon on another device already”, and type this:"),
    h("p", { class: "mono code" }, groups(code)),
    copyButton("Pairing code", groups(code), () => getSelection().selectAllChildren(place.querySelector(".code"))),
    ...(qr ? [h("img", { class: "qr small", alt: "The pairing code as a QR code", src: `data:image/svg+xml,${encodeURIComponent(qr)}` }),
      h("p", { class: "hint" }, "The picture holds the same code. Any program that reads QR codes shows it as text, to be copied.")] : []),
    h("p", { class: "hint" }, `For one device, until ${moment(expires)}. Show it to nobody else: the first one to use it becomes you.`));
}

// Asks to become a further device of the person who has made a code.
export function joinForm(done) {
  const code = h("input", { id: "pairing-code", type: "text", required: true, spellcheck: "false", autocapitalize: "off", autocomplete: "off", class: "mono", placeholder: "abcd-efgh-…" });
  const submit = h("button", { type: "submit" }, "Join");
  const progress = h("p", { class: "hint", "aria-live": "polite" });
  let following = false;
  const follow = async () => {
    const { devices, joining } = await get("/api/v1/devices");
    following = false;
    if (devices.length > 1) {
      await loadMe();
      await loadAll();
      done();
      say("This is a device of yours now. What was written before appears here within the next minutes.");
      return;
    }
    progress.className = joining?.over ? "warning" : "hint";
    progress.textContent = joining?.over ? `It did not work: ${ended(sentence(joining.reason ?? "the code was not taken"))}`
      : joining?.reason ? `${ended(sentence(joining.reason))} It keeps trying.` : "Looking for your other device …";
    // Also while another view is open: that it has worked is to be seen there.
    if (joining && !joining.over) again();
    else if (!joining) progress.textContent = "";
  };
  const again = () => {
    if (following) return;
    following = true;
    setTimeout(() => follow().catch(() => {
      following = false;
      if (progress.isConnected) again();
    }), AGAIN);
  };
  // One that was begun before is shown, too.
  get("/api/v1/devices").then(({ devices, joining }) => {
    if (devices.length === 1 && joining && !joining.over) again();
  }, () => {});
  return h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/devices/join", { code: code.value.trim() });
        code.value = "";
        hush(".toast.trouble");
        await follow();
      });
    },
  },
    h("p", {}, "On the device that you use already, open “My identity and settings”, choose “Add a device”, and type the code that it shows:"),
    h("p", { class: "hint" }, "Both devices must be on, and in the same network or with a relay each. ", h("a", { href: "#/me" }, "Add a relay"), " first if they are far apart."),
    h("p", { class: "field" }, h("label", { for: "pairing-code" }, "Pairing code"), code),
    submit, progress);
}

// The devices of a friend who has several, each with a way to shut it out.
export function friendDevicesCard(one, changed) {
  if (one.blocked || one.devices.length < 2) return null;
  const row = ({ device, online }) => h("li", { class: "row" },
    h("span", { class: "grow" }, h("span", { class: "mono" }, `${clean(device).slice(0, 8)}…`), h("small", { class: "live" }, online ? "online now" : "not online")),
    careful("Shut out", "Really shut out?", async () => {
      await post("/api/v1/block", { who: one.id, device });
      say("Shut out, on all of your devices. The others stay.");
      await changed();
    }));
  return h("article", { class: "card" }, h("h2", {}, "Devices"),
    h("p", {}, `${clean(one.name)} uses several devices. If one of them is lost and they cannot remove it themselves, shut it out here.`),
    h("ul", { class: "people" }, one.devices.map(row)));
}
