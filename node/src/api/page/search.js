// Search over the whole history.

import { button, clean, during, h, moment, nameOf, viewHead } from "/dom.js";
import { get, room, state } from "/node.js";

const PAGE = 50; // matches read at once

export function searchView(words) {
  const field = h("input", { type: "text", role: "searchbox", "aria-label": "Words to search for", placeholder: "Words, or the beginning of one", maxlength: "200", dir: "auto" });
  const submit = h("button", { type: "submit", class: "primary" }, "Search");
  const found = h("div", { class: "result", "aria-live": "polite" });
  const form = h("form", {
    class: "inline",
    role: "search",
    onsubmit: (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (text === "") return;
      // The address keeps the words, for the way back from what was found.
      history.replaceState(null, "", `#/search/${encodeURIComponent(text)}`);
      during(submit, () => search(text, found));
    },
  }, field, submit);
  if (words !== "") {
    field.value = decoded(words);
    during(submit, () => search(field.value, found));
  }
  return {
    element: h("section", { class: "page" }, viewHead("Search"),
      h("article", { class: "card" }, h("p", {}, "Finds messages that have all of the words, in every conversation."), form), found),
    focus: field,
  };
}

function decoded(words) {
  try {
    return decodeURIComponent(words).slice(0, 200);
  } catch {
    return "";
  }
}

async function search(text, place) {
  const messages = await read(text);
  if (messages.length === 0) {
    place.replaceChildren(h("p", { class: "hint" }, "Nothing found."));
    return;
  }
  const list = h("ul", { class: "found" });
  place.replaceChildren(list);
  add(text, messages, list);
}

async function read(text, before) {
  const query = new URLSearchParams({ text, limit: String(PAGE) });
  if (before) query.set("before", before);
  return (await get(`/api/v1/messages/search?${query}`)).messages;
}

// The newest match comes first.
function add(text, messages, list) {
  list.append(...messages.map(row).reverse());
  if (messages.length < PAGE) return;
  const more = h("li", {}, button("Show earlier matches", async () => {
    const earlier = await read(text, messages[0].message);
    more.remove();
    add(text, earlier, list);
  }));
  list.append(more);
}

function row(message) {
  const place = room(message.conversation_id);
  const one = place ? null : [...state.friends, ...state.former].find((one) => one.name === message.conversation);
  const href = place ? `#/room/${place.room}/${message.message}` : one ? `#/chat/${one.id}/${message.message}` : null;
  const who = message.mine ? ["You to ", nameOf(message.conversation)] : place ? [nameOf(message.from), " in ", nameOf(place.name)] : [nameOf(message.from)];
  const head = h("p", { class: "hint" }, ...who, ", ", h("time", { datetime: message.at }, moment(message.at)));
  return h("li", { class: "card" }, head, h("p", { class: "text", dir: "auto" }, clean(message.text)),
    href ? h("a", { href }, "To the conversation") : null);
}
