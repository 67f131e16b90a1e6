// The node, as the page knows it: requests to its API, its events, and what was read so far.
// Nothing here touches the document.

export class Problem extends Error {
  constructor(kind, detail, hint) {
    super(detail);
    this.kind = kind;
    this.hint = hint;
  }
}

// One request. Answers the JSON; throws a Problem.
export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem("unreachable", "The node does not answer.", "Start it again with “symbolon up”, then open the address that it prints.");
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    answer = null;
  }
  if (response.ok && answer !== null) return answer;
  if (answer && answer.error) throw new Problem(answer.error, answer.detail, answer.hint);
  throw new Problem("internal", "The node's answer cannot be understood.", "Reload the page; if it stays like that, restart the node.");
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

// How many messages are read at first, and at most, for one conversation.
export const RECENT = 200;
export const MOST = 1000;

export const state = {
  me: null,
  friends: [],
  requests: [],
  messages: new Map(), // message id -> message, of the recent ones of all conversations
};

const listeners = new Set();

// Calls back with the name of what has changed: "friends", "requests", "me", "messages",
// or a message.
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(what, message) {
  for (const listener of [...listeners]) listener(what, message);
}

export async function loadMe() {
  state.me = await get("/api/v1/identity");
  changed("me");
}

export async function loadFriends() {
  state.friends = (await get("/api/v1/friends")).friends;
  changed("friends");
}

export async function loadRequests() {
  state.requests = (await get("/api/v1/requests")).requests;
  changed("requests");
}

export async function loadMessages() {
  const { messages } = await get(`/api/v1/messages?limit=${RECENT}`);
  state.messages = new Map(messages.map((message) => [message.message, message]));
  changed("messages");
}

export async function loadAll() {
  await Promise.all([loadMe(), loadFriends(), loadRequests(), loadMessages()]);
}

export function keep(message) {
  const from = message.mine ? null : friend(message.from_id);
  if (from && !state.messages.has(message.message) && message.state !== "read") from.unread += 1;
  // A message known already keeps its place: the order is that of arrival.
  state.messages.set(message.message, message);
  // Bounded: the oldest of what was kept goes.
  while (state.messages.size > 2 * MOST) state.messages.delete(state.messages.keys().next().value);
  changed("message", message);
}

export function friend(id) {
  return state.friends.find((one) => one.id === id);
}

// A conversation with a friend is named by the friend's name here, which is unique.
export function belongsTo(message, one) {
  return message.conversation === one.name;
}

export function lastMessage(one) {
  let last = null;
  for (const message of state.messages.values()) {
    if (belongsTo(message, one)) last = message;
  }
  return last;
}

export const unread = (one) => one.unread;

export function markRead({ id }) {
  const one = friend(id);
  if (!one) return;
  one.unread = 0;
  for (const message of state.messages.values()) {
    if (belongsTo(message, one) && !message.mine) message.state = "read";
  }
  changed("read");
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

// Opens the event stream. `onLink` hears true when it is open, false when it is lost;
// `onWarning` gets texts for the user.
export function listen(onLink, onWarning) {
  const quietly = (promise) => promise.catch(() => {});
  const source = new EventSource("/api/v1/events");
  const data = (event) => JSON.parse(event.data);
  source.addEventListener("open", () => onLink(true));
  source.addEventListener("error", () => onLink(false, source.readyState === EventSource.CLOSED));
  source.addEventListener("hello", () => quietly(loadAll()));
  source.addEventListener("lagged", () => quietly(loadAll()));
  source.addEventListener("message_state", (event) => fetchSoon(data(event).message));
  source.addEventListener("request", () => quietly(loadRequests()));
  source.addEventListener("friend", () => quietly(Promise.all([loadFriends(), loadMessages()])));
  source.addEventListener("online", (event) => {
    const { id, online } = data(event);
    const one = friend(id);
    if (one) one.online = online;
    changed("friends");
  });
  source.addEventListener("warning", (event) => onWarning(data(event).text));
  // An event named "message" is also what EventSource uses for unnamed ones; ours have data.
  source.addEventListener("message", (event) => fetchSoon(data(event).message));
  return source;
}
