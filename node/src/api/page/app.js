// The page: what is shown where, and the list of friends at its side.

import { avatar, button, clean, h, hush, icon, isLost, nameOf, say, showNews, when } from "/dom.js";
import { enter } from "/session.js";
import { keyOf, latest, listen, loadAll, loadFriends, state, tell, unread, waiting, watch } from "/node.js";
import { chatView, roomView } from "/chat.js";
import { addView, firstSteps, requestsView } from "/people.js";
import { joinForm } from "/devices.js";
import { friendView } from "/friend.js";
import { newRoomView, roomPeopleView } from "/room.js";
import { searchView } from "/search.js";
import { nameCard, settingsView } from "/settings.js";

const side = document.getElementById("side");
const main = document.getElementById("main");
const app = document.getElementById("app");
const banner = document.getElementById("banner");

let leave = () => {}; // what the view on show wants done when it goes

function route() {
  bare = isBare();
  const [, view = "", id = "", at = ""] = location.hash.split("/");
  leave();
  hush();
  const { element, gone, focus } = makeView(view, id, at);
  leave = gone ?? (() => {});
  main.replaceChildren(element);
  app.classList.toggle("showing", view !== "" || isBare());
  (focus ?? main).focus({ preventScroll: true });
  drawSide();
}

function makeView(view, id, at) {
  switch (view) {
    case "chat": return chatView(id, at);
    case "friend": return friendView(id);
    case "room": return roomView(id, at);
    case "people": return roomPeopleView(id);
    case "new-room": return newRoomView();
    case "add": return addView();
    case "requests": return requestsView();
    case "search": return searchView(id);
    case "me": return settingsView();
    default: return welcome();
  }
}

function welcome() {
  if (state.friends.length + state.rooms.length > 0) {
    return { element: h("section", { class: "empty" }, h("h1", {}, "Who do you want to write to?"), h("p", {}, "Choose a friend or a room from the list."),
      state.friends.length ? h("a", { class: "plain", href: "#/new-room" }, "Make a room") : null) };
  }
  const steps = firstSteps();
  return { gone: steps.gone, element: h("section", { class: "page" },
    h("div", { class: "welcome" },
      h("img", { src: "/icon.svg", alt: "", class: "logo" }),
      h("h1", {}, "Welcome to Symbolon"),
      h("p", {}, "Your messages go straight to your friends’ devices, sealed so that nobody else can read them. There is no account and no company in between."),
      h("p", {}, "Start with one friend: one of you makes an invite, the other one pastes it.")),
    nameCard(state.me, "Your name", "Your friends see this name first. You can change it at any time."),
    steps.element,
    h("article", { class: "card" }, h("details", {}, h("summary", {}, "I use Symbolon on another device already"), joinForm(route))),
    h("p", { class: "only-slim" }, h("a", { href: "#/me" }, "My identity and settings"))) };
}

// On a narrow window the list of friends is a view of its own; while there is no friend, the first steps are shown.
const isBare = () => state.friends.length + state.rooms.length === 0;

function drawSide() {
  const current = location.hash;
  const count = waiting().length;
  const last = latest();
  const scroll = side.querySelector(".friends")?.scrollTop ?? 0;
  const focused = side.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const rooms = state.rooms.filter((one) => !one.archived);
  const friends = byRecency([...rooms, ...state.friends.filter((one) => !one.blocked)], last);
  const away = state.rooms.filter((one) => one.archived);
  const blocked = state.friends.filter((one) => one.blocked);
  // Of a friendship that has ended the texts stay; without any there is nothing to open.
  const former = state.former.filter((one) => last.has(keyOf(one)));
  side.replaceChildren(...[
    h("h1", { class: "only-list" }, h("span", { class: "unseen" }, "Symbolon")),
    h("div", { class: "me" },
      h("a", { href: "#/me", class: "row", ...mark("#/me", current) },
        avatar(state.me?.id, state.me?.name), h("span", { class: "grow" }, nameOf(state.me?.name), h("small", {}, "My identity and settings")), icon("gear"))),
    h("div", { class: "actions" },
      h("a", { href: "#/add", class: "primary", ...mark("#/add", current) }, icon("plus"), "Add a friend"),
      h("a", { href: "#/requests", class: "plain", ...mark("#/requests", current) }, count ? null : icon("inbox"), "Requests",
        count ? h("span", { class: "badge", "aria-label": `${count} waiting for your answer` }, String(count)) : null),
      h("a", { href: "#/search", class: "plain slim", "aria-label": "Search", title: "Search", ...mark("#/search", current) }, icon("search"))),
    friends.length + away.length + blocked.length + former.length
      ? h("ul", { class: "friends" },
        [...friends, ...away, ...blocked].map((one) => (one.room ? roomRow : friendRow)(one, last.get(keyOf(one))?.message, current)),
        former.map((one) => formerRow(one, last.get(keyOf(one)).message, current)))
      : h("p", { class: "hint" }, "Your friends will be listed here.")].flat());
  const list = side.querySelector(".friends");
  if (list) list.scrollTop = scroll;
  if (focused) side.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  const news = (several) => several.reduce((sum, one) => sum + (one.muted ? 0 : unread(one)), count);
  document.title = titleWith(news(friends));
  showNews(main, news(friends.filter((one) => !current.startsWith(one.room ? `#/room/${one.room}` : `#/chat/${one.id}`))));
}

function titleWith(news) {
  return news ? `(${news}) Symbolon` : "Symbolon";
}

function mark(href, current) {
  return href === current || current.startsWith(`${href}/`) ? { "aria-current": "page" } : {};
}

// Those last heard of, or written to, come first; the others by name.
function byRecency(friends, last) {
  const place = (one) => last.get(keyOf(one))?.place ?? -1;
  const at = (one) => last.get(keyOf(one))?.message.at ?? "";
  return friends.sort((a, b) => place(b) - place(a) || at(b).localeCompare(at(a)) || a.name.localeCompare(b.name));
}

function friendRow(one, last, current) {
  const href = one.blocked ? `#/friend/${one.id}` : `#/chat/${one.id}`;
  const news = one.blocked ? 0 : unread(one);
  const presence = one.blocked ? "blocked" : one.online ? "online" : "offline";
  const label = one.online === null && !one.blocked ? "not seen yet" : presence;
  const line = one.blocked ? "Blocked" : last ? `${last.mine ? "You: " : ""}${clean(last.text).slice(0, 120)}` : "No messages yet";
  return h("li", {},
    h("a", { href, class: `row${news ? " news" : ""}${one.blocked ? " dim" : ""}`, ...mark(href, current) },
      h("span", { class: "portrait" }, avatar(one.id, one.name), h("span", { class: `dot live ${presence}`, title: label, role: "img", "aria-label": label })),
      h("span", { class: "grow" },
        h("span", { class: "top" }, nameOf(one.name), one.beware ? h("span", { class: "beware", title: clean(one.beware), role: "img", "aria-label": clean(one.beware) }, "!") : null, h("time", {}, last ? when(last.at) : "")),
        h("span", { class: "top" }, h("span", { class: "snippet", dir: "auto" }, line),
          news ? h("span", { class: "badge", "aria-label": `${news} unread` }, String(news)) : null))));
}

function formerRow(one, last, current) {
  const href = `#/chat/${one.id}`;
  return h("li", {},
    h("a", { href, class: "row dim", ...mark(href, current) },
      h("span", { class: "portrait" }, avatar(one.id, one.name)),
      h("span", { class: "grow" },
        h("span", { class: "top" }, nameOf(one.name), h("time", {}, when(last.at))),
        h("span", { class: "top" }, h("span", { class: "snippet" }, "Former friend")))));
}

function roomRow(one, last, current) {
  const href = `#/room/${one.room}`;
  const news = unread(one);
  const gone = one.standing === "left" || one.standing === "removed";
  const who = last && !last.line ? `${last.mine ? "You" : clean(last.from)}: ` : "";
  const line = last ? `${who}${clean(last.text).slice(0, 120)}` : one.standing === "elsewhere" ? "At another device of yours" : one.members === 1 ? "Nobody but you" : `${one.members} people`;
  return h("li", {},
    h("a", { href, class: `row${news && !one.muted ? " news" : ""}${gone || one.archived ? " dim" : ""}`, ...mark(href, current) },
      h("span", { class: "portrait room" }, avatar(one.room, one.name)),
      h("span", { class: "grow" },
        h("span", { class: "top" }, nameOf(one.name), h("span", { class: "unseen" }, " (room)"), h("time", {}, last ? when(last.at) : "")),
        h("span", { class: "top" }, h("span", { class: "snippet", dir: "auto" }, line),
          news ? h("span", { class: one.muted ? "badge quiet" : "badge", "aria-label": `${news} unread` }, String(news)) : null))));
}

function locked() {
  leave();
  app.classList.add("locked", "showing");
  side.replaceChildren();
  main.replaceChildren(h("section", { class: "empty" },
    h("img", { src: "/icon.svg", alt: "", class: "logo" }),
    h("h1", {}, "This browser is not signed in"),
    h("p", {}, "The address that the node prints works once, within a minute. A tab that got in stays signed in for 30 days."),
    h("p", {}, "For a fresh address, type this in a terminal on the same machine, then open what it prints:"),
    h("pre", {}, "symbolon page")));
}

function showBanner(text) {
  banner.hidden = text === "";
  banner.textContent = text;
}

// Without the node nobody knows who is online or what is in order: what says so is hidden meanwhile.
function found() {
  showBanner("");
  if (!isLost()) return;
  // Only then is it known again who is online.
  loadFriends().catch(() => {}).finally(() => {
    document.body.classList.remove("lost");
    tell("found");
  });
}

function lost(problem) {
  document.body.classList.add("lost");
  showBanner(`${problem.message} ${problem.hint ?? ""}`);
  hush(".toast.trouble");
}

function start() {
  listen({
    open: found,
    lost,
    locked: () => {
      showBanner("");
      locked();
    },
    warning: (text) => say("Please look at this", text),
  });
}

let drawing = false;
let bare = true; // when the view was made

watch((what) => {
  // Many changes in one go are drawn once.
  if (!drawing) {
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      drawSide();
      if ((what === "friends" || what === "rooms") && /^#?\/?$/.test(location.hash) && bare !== isBare()) route();
    });
  }
});

addEventListener("hashchange", route);

// The address behind the mark says which view is shown, so this link must not change it.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  const target = app.classList.contains("showing") || getComputedStyle(side).display !== "none" ? main : side;
  target.focus();
});

try {
  await enter();
  await loadAll();
  route();
  start();
} catch (problem) {
  if (problem.kind === "unauthorized") {
    locked();
  } else {
    main.replaceChildren(h("section", { class: "empty" }, h("h1", {}, problem.message), h("p", {}, problem.hint ?? ""),
      button("Try again", async () => location.reload(), { class: "primary" })));
  }
}
