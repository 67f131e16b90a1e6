// The session: how this tab got in, and how it knows its node again.
//
// The address that was printed carries a one-time token. It is traded for a session, which
// stays in this tab and goes along as a header. When the node was gone, something else may
// answer at its port: so it has to prove first that it knows the session, without being shown it.

export class Problem extends Error {
  constructor(kind, detail, hint) {
    super(detail);
    this.kind = kind;
    this.hint = hint;
  }
}

const KEY = "symbolon-session";
const GONE = ["unreachable", "The node does not answer.", "If you stopped it, start it again with “symbolon up”."];

let session = sessionStorage.getItem(KEY);
let proven = true; // these very files came from the node
let proving = null;

export function forget() {
  session = null;
  sessionStorage.removeItem(KEY);
}

// Something went wrong on the way: the next one that answers has to prove itself.
export function doubt() {
  proven = false;
}

// Trades the token in the address, if there is one.
export async function enter() {
  const token = new URLSearchParams(location.search).get("token");
  if (token === null) return;
  history.replaceState(null, "", location.pathname + location.hash);
  const response = await ask("/api/v1/session", { token });
  if (response.ok) {
    session = (await response.json()).session;
    sessionStorage.setItem(KEY, session);
  }
}

// The header that opens the door, once it is sure who stands behind it.
export async function key() {
  if (session === null) throw locked();
  if (!proven) await (proving ??= prove().finally(() => { proving = null; }));
  return { Authorization: `Bearer ${session}` };
}

export const locked = () => new Problem("unauthorized", "This browser is not signed in.", "Run “symbolon page” for a fresh address.");
export const gone = () => new Problem(...GONE);

async function prove() {
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
  const hash = await digest(`session:${session}`);
  const response = await ask("/api/v1/session/proof", { session: hex(await digest(`id:${hex(hash)}`)), nonce });
  if (response.status === 401) throw locked();
  const { proof } = response.ok ? await response.json() : {};
  const mac = await crypto.subtle.importKey("raw", hash, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  if (proof !== hex(await crypto.subtle.sign("HMAC", mac, bytes(`${location.port || 80}:${nonce}`)))) {
    throw new Problem("stranger", "Another program answers at the address of your node.", "Close this tab, and run “symbolon page” for a fresh address.");
  }
  proven = true;
}

async function ask(path, body) {
  try {
    return await fetch(path, { method: "POST", credentials: "omit", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw gone();
  }
}

const bytes = (text) => new TextEncoder().encode(text);
const digest = (text) => crypto.subtle.digest("SHA-256", bytes(text));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
