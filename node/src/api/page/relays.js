// Mailboxes at relays: for when friends are not online together.

import { button, careful, clean, during, h, say, sentence } from "/dom.js";
import { get, post, tell } from "/node.js";

const STATES = {
  connecting: "connecting …",
  connected: "connected: it keeps messages for you while you are away",
  unreachable: "does not answer; the node tries again automatically",
  refused: "does not keep a mailbox for you",
  full: "full: it takes no more messages for you",
  replaced: "another relay answers at its address",
};
// While something is under way, the card looks again.
const AGAIN = 3000;

export function relayCard() {
  const list = h("ul", { class: "people" });
  const link = h("input", { id: "relay-link", type: "text", required: true, spellcheck: "false", autocapitalize: "off", class: "mono", placeholder: "symbolon:relay:…" });
  const claim = h("input", { id: "relay-claim", type: "text", spellcheck: "false", autocapitalize: "off", autocomplete: "off", class: "mono" });
  const submit = h("button", { type: "submit" }, "Use this relay");
  let known = null;
  const draw = async () => {
    const { relays } = await get("/api/v1/relays");
    const now = JSON.stringify(relays.map((one) => [one.relay, one.state]));
    if (known !== null && known !== now) tell("relays");
    known = now;
    list.replaceChildren(...relays.map((one) => relayRow(one, draw)));
    list.hidden = relays.length === 0;
    none.hidden = relays.length > 0;
    if (list.isConnected && relays.some((one) => one.state === "connecting")) setTimeout(() => draw().catch(() => {}), AGAIN);
  };
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      during(submit, async () => {
        await post("/api/v1/relays", { link: link.value.trim(), claim: claim.value.trim() || null });
        link.value = "";
        claim.value = "";
        say("Relay added.");
        await draw();
      });
    },
  },
    h("p", { class: "field" }, h("label", { for: "relay-link" }, "Relay link"), link),
    h("p", { class: "field" }, h("label", { for: "relay-claim" }, "Claim code (not needed for an open relay)"), claim),
    submit);
  const none = h("p", { class: "warning", hidden: true }, "You have no relay. Friends can send you messages only while both of you are online.");
  setTimeout(() => draw().catch(() => {}));
  return h("article", { class: "card" }, h("h2", {}, "Relays"),
    h("p", {}, "A relay is a computer that is always on. It keeps sealed messages for you while you are away, and cannot read them. The person who runs it gives you a link, and a claim code if it is not open to everybody."),
    none, list,
    h("details", {}, h("summary", {}, "Add a relay"), form));
}

function relayRow(one, draw) {
  const quota = one.quota ? `${one.quota.entries} of ${one.quota.entries_max} messages waiting. ` : "";
  return h("li", { class: "row" },
    h("span", { class: "grow" }, h("span", { class: "mono" }, `${clean(one.relay).slice(0, 12)}…`), h("small", { class: "live" }, `${STATES[one.state] ?? clean(one.state)}. ${quota}`),
      one.problem ? h("small", { class: "warning" }, sentence(one.problem)) : null),
    careful("Remove", "Really remove?", async () => {
      await post("/api/v1/relays/remove", { relay: one.relay });
      say("Relay removed.");
      await draw();
    }));
}
