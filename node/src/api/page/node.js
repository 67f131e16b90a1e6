// The node, as the page knows it: requests to its API, its events, and what was read so far.
// Nothing here touches the document.

import { Problem, doubt, forget, gone, key } from "/session.js";

// One request. Answers what came back; throws a Problem when nothing did.
async function send(method, path, body, more = {}) {
  const { headers, ...rest } = more;
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const all = { ...type, ...headers, ...await key() };
  try {
    return await fetch(path, { method, credentials: "omit", headers: all, body: body === undefined ? undefined : JSON.stringify(body), ...rest });
  } catch {
    doubt();
    throw gone();
  }
}

// One request. Answers the JSON; throws a Problem.
export async function call(method, path, body) {
  const response = await send(method, path, body);
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    answer = null;
  }
  if (response.ok && answer !== null) return answer;
  if (response.status === 401) forget();
  if (answer && answer.error) throw new Problem(answer.error, answer.detail, answer.hint);
  throw new Problem("internal", "The node's answer cannot be understood.", "Reload the page; if it stays like that, restart the node.");
}

// A picture, as an address that an image can show.
export async function picture(path) {
  const response = await send("GET", path);
  if (!response.ok) throw gone();
  return `data:image/svg+xml,${encodeURIComponent(await response.text())}`;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

// How many messages are read in one go, and how many a conversation shows at most at once.
export const PAGE = 100;
export const MOST = 600;
// How many are kept of all conversations, for the list of friends.
const RECENT = 200;

export const state = {
  me: null,
  friends: [],
  rooms: [],
  former: [], // whose friendship has ended here; what was written with them stays
  requests: [],
  drafts: new Map(), // id of a friend or room -> what the node keeps of what is being written there, at any device
  messages: new Map(), // message id -> message, of the recent ones of all conversations
  last: new Map(), // key of a conversation -> its last message, where it is none of these
};

const listeners = new Set();

// Calls back with the name of what has changed: "friends", "rooms", "requests", "me", "messages", "drafts",
// "message" with one, or what was said by `tell`.
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Says that something has changed of which nothing is kept here: "relays", "phrase", "lost" or "found".
export const tell = (what) => changed(what);

function changed(what, message) {
  for (const listener of [...listeners]) listener(what, message);
}

export async function loadMe() {
  state.me = await get("/api/v1/identity");
  changed("me");
}

export async function loadFriends() {
  const [now, before] = await Promise.all([get("/api/v1/friends"), get("/api/v1/friends/former")]);
  state.friends = now.friends;
  state.former = before.friends;
  changed("friends");
}

export async function loadRooms() {
  // Of a room that is asked about nothing is shown but the question, among the requests.
  state.rooms = (await get("/api/v1/rooms")).rooms.filter((one) => one.standing !== "asked");
  changed("rooms");
}

export async function loadRequests() {
  state.requests = (await get("/api/v1/requests")).requests;
  changed("requests");
}

export async function loadDrafts() {
  keepDrafts(await get("/api/v1/drafts"));
}

// Hands the node what stands in a conversation and was not sent. Other devices have it some seconds later.
export async function shareDraft(id, text) {
  keepDrafts(await post("/api/v1/drafts", { to: id, text }));
}

function keepDrafts({ drafts }) {
  const before = state.drafts;
  state.drafts = new Map(drafts.map((draft) => [draft.to, draft.text]));
  changed("drafts", before);
}

export async function loadMessages() {
  const { messages } = await get(`/api/v1/messages?limit=${RECENT}`);
  state.messages = new Map(messages.map((message) => [message.message, message]));
  await loadPreviews();
  changed("messages");
}

// A busy conversation alone can fill the recent messages: of each other one its last message is asked for.
async function loadPreviews() {
  const recent = latest();
  const missing = [...state.friends.filter((one) => !one.blocked), ...state.rooms, ...state.former].filter((one) => !recent.has(keyOf(one)) && !state.last.has(keyOf(one)));
  for (const one of missing) {
    const { messages } = await get(`/api/v1/messages?${new URLSearchParams({ who: one.room ?? one.id, limit: 1 })}`);
    state.last.set(keyOf(one), messages[0] ?? null);
  }
}

export async function loadAll() {
  await Promise.all([loadMe(), loadFriends(), loadRooms(), loadRequests(), loadDrafts()]);
  state.last.clear();
  await loadMessages();
}

export function keep(message) {
  const from = message.mine || message.line ? null : room(message.conversation_id) ?? friend(message.from_id);
  if (from && !state.messages.has(message.message) && message.state !== "read") from.unread += 1;
  // A message known already keeps its place: the order is that of arrival.
  state.messages.set(message.message, message);
  // Bounded: the oldest of what was kept goes.
  while (state.messages.size > 10 * RECENT) state.messages.delete(state.messages.keys().next().value);
  changed("message", message);
}

export function friend(id) {
  return state.friends.find((one) => one.id === id);
}

export function formerFriend(id) {
  return state.former.find((one) => one.id === id);
}

export function room(id) {
  return state.rooms.find((one) => one.room === id);
}

// A conversation with a friend is named by the friend's name here, which is unique among friends.
export function belongsTo(message, one) {
  if (one.room) return message.conversation_id === one.room;
  return message.conversation === one.name && !room(message.conversation_id);
}

export const keyOf = (one) => one.room ? `room ${one.room}` : `friend ${one.id}`;

// The last message of each conversation among the recent ones, with its place in the order of arrival.
export function latest() {
  const rooms = new Set(state.rooms.map((one) => one.room));
  const friends = new Map([...state.former, ...state.friends].map((one) => [one.name, one]));
  const found = new Map();
  let place = 0;
  for (const message of state.messages.values()) {
    const friend = friends.get(message.conversation);
    const key = rooms.has(message.conversation_id) ? `room ${message.conversation_id}` : friend ? keyOf(friend) : null;
    if (key) found.set(key, { message, place: (place += 1) });
  }
  for (const [key, message] of state.last) {
    if (message && !found.has(key)) found.set(key, { message, place: 0 });
  }
  return found;
}

export const unread = (one) => one.unread;

// How much of a conversation is unread, as the node counts it.
export async function countUnread(one) {
  await (one.room ? loadRooms() : loadFriends());
}

export const waiting = () => state.requests.filter((one) => one.direction === "in" && one.status === "pending");

// Messages named by events are fetched together, shortly after; a flood is read as a whole.
const named = new Set();
let timer = null;

function fetchSoon(id) {
  named.add(id);
  timer ??= setTimeout(async () => {
    timer = null;
    const ids = [...named];
    named.clear();
    try {
      if (ids.length > 20) {
        await loadMessages();
        return;
      }
      for (const id of ids) keep(await get(`/api/v1/messages/${encodeURIComponent(id)}`));
    } catch {
      // The connection's own trouble is shown by the banner; the rest comes with the next event.
    }
  }, 40);
}

// How long a stream may say nothing before it counts as lost; the node says something each 15 s.
const SILENCE = 45000;
// Between two attempts to open it.
const AGAIN = 2000;

// Follows the event stream, and opens it again whenever it is lost. `on.open`, `on.lost` and
// `on.locked` hear how it stands; `on.warning` gets texts for the user.
export async function listen(on) {
  const position = { last: null };
  for (;;) {
    try {
      await follow(position, on);
    } catch (problem) {
      if (problem.kind === "unauthorized") {
        on.locked();
        return;
      }
      on.lost(problem);
    }
    doubt();
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

async function follow(position, on) {
  const stop = new AbortController();
  let watchdog = null;
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => stop.abort(), SILENCE);
  };
  alive();
  try {
    const headers = position.last === null ? {} : { "Last-Event-ID": position.last };
    const response = await send("GET", "/api/v1/events", undefined, { headers, signal: stop.signal, cache: "no-store" });
    if (response.status === 401) {
      forget();
      throw new Problem("unauthorized", "", "");
    }
    if (!response.ok) throw gone();
    on.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw gone();
      alive();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) take(block, position, on);
    }
  } catch (problem) {
    throw problem instanceof Problem ? problem : gone();
  } finally {
    clearTimeout(watchdog);
    stop.abort();
  }
}

// One event: lines of `field: value` (WHATWG HTML, server-sent events).
function take(block, position, on) {
  const fields = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
  }
  if (fields.id) position.last = fields.id;
  if (!fields.event) return;
  happened(fields.event, JSON.parse(fields.data ?? "{}"), on);
}

function happened(event, data, on) {
  const quietly = (promise) => promise.catch(() => {});
  switch (event) {
    case "hello":
    case "lagged":
      quietly(loadAll());
      break;
    case "message":
    case "message_state":
      fetchSoon(data.message);
      break;
    case "request":
      quietly(loadRequests());
      break;
    case "friend":
      quietly(Promise.all([loadFriends(), loadMessages()]));
      break;
    case "room":
      quietly(Promise.all([loadRooms(), loadMessages()]));
      break;
    case "drafts":
      quietly(loadDrafts());
      break;
    case "online": {
      const one = friend(data.id);
      if (one) one.online = data.online;
      changed("friends");
      break;
    }
    case "warning":
      on.warning(data.text);
      break;
    default:
      break;
  }
}
