// The page, as two people use it in a browser on two real nodes. Each test continues where the one before ended.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { SIZES, click, close, examine, found, go, launch, open, press, shows, type } from "./look.mjs";
import { Node, cleanUp, until } from "./node.mjs";

const LONG = 5000; // texts of a long history
// What would run, call out or take the page apart if a text were ever taken for markup.
const HOSTILE = [
  "<script>globalThis.ran=1</script>",
  "<img src=x onerror=globalThis.ran=2>",
  "<svg/onload=globalThis.ran=3>",
  "\"><script>globalThis.ran=4</script>",
  "' onmouseover='globalThis.ran=5' x='",
  "<a href=javascript:globalThis.ran=6>click</a>",
  "javascript:globalThis.ran=7",
  "<iframe srcdoc='<script>parent.ran=8</script>'>",
  "</title></style><body onload=globalThis.ran=9>",
  "{{constructor.constructor('globalThis.ran=10')()}}",
  "<math><mtext></mtext><style><img src=x onerror=globalThis.ran=11>",
  "\u202e<details open ontoggle=globalThis.ran=12>\u0000",
  "&lt;script&gt;globalThis.ran=13&lt;/script&gt;<form action=http://192.0.2.1><button>",
];

const [andi, ben, cara] = [new Node("Andi"), new Node("Ben"), new Node("Cara")];
const ids = {};
let [a, b] = [null, null];

// Leaves a picture in shades of grey (PGM), and beside it what its code must say.
async function leave(png, said, folder) {
  const blank = await a.tab.context().newPage();
  const [width, height, grey] = await blank.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const paint = canvas.getContext("2d");
    paint.drawImage(image, 0, 0);
    const pixels = paint.getImageData(0, 0, image.width, image.height).data;
    const shades = Array.from({ length: pixels.length / 4 }, (_, at) => Math.round((pixels[4 * at] + pixels[4 * at + 1] + pixels[4 * at + 2]) / 3));
    return [image.width, image.height, shades];
  }, png.toString("base64"));
  await blank.close();
  writeFileSync(path.join(folder, "printed.pgm"), Buffer.concat([Buffer.from(`P5 ${width} ${height} 255\n`), Buffer.from(grey)]));
  writeFileSync(path.join(folder, "printed.txt"), said);
}

async function look(person, view, hash) {
  if (hash !== undefined) await go(person, hash);
  await person.tab.waitForTimeout(250);
  await examine(person, view);
}

before(async () => {
  await launch();
  const addresses = await Promise.all([andi.start("--name", "Andi"), ben.start("--name", "Ben")]);
  [a, b] = [await open(addresses[0]), await open(addresses[1])];
  for (const node of [andi, ben]) ids[node.name] = (await node.run("id"))[0];
});

after(async () => {
  await close();
  cleanUp();
});

test("two people befriend by the page alone, and the first text takes at most eight actions", async () => {
  await shows(a, "Welcome to Symbolon");
  await look(a, "welcome");
  const actions = 2 + await befriend(); // two commands, that open the pages
  console.log(`actions to the first text: ${actions}`);
  assert.ok(actions <= 8, `${actions} actions`);
  // On a phone Ben still looks at the requests, and the list is out of sight: the way back says that something is new.
  await b.tab.setViewportSize(SIZES.phone);
  await b.tab.getByRole("link", { name: "Back to the list, 1 new" }).waitFor();
  await look(b, "new-elsewhere");
});

async function befriend() {
  [a.actions, b.actions] = [0, 0];
  await click(a, "button", "Make an invite");
  const link = await a.tab.getByLabel("Invite link").first().inputValue();
  assert.match(link, /^symbolon:/);
  assert.equal(await until("the link is in the clipboard", () => a.tab.evaluate(() => navigator.clipboard.readText())), link);
  await type(b, /^Paste the link/, link);
  await click(b, "button", "Send friend request");
  await a.tab.getByText("asks to be your friend").waitFor();
  await look(a, "asked");
  await click(a, "button", "Accept");
  await type(a, "Write a message", "Hello Ben");
  await press(a, "Enter");
  await b.tab.locator("nav .snippet", { hasText: "Hello Ben" }).waitFor();
  return a.actions + b.actions;
}

test("a text is answered, and each side sees how far it got", async () => {
  await click(b, "link", /Andi/, b.tab.locator("nav .friends"));
  await type(b, "Write a message", "Hello Andi\nhow are you?");
  await press(b, "Enter");
  await a.tab.locator(".message .text", { hasText: "how are you?" }).waitFor();
  await b.tab.locator(".message.mine .state", { hasText: "Read" }).waitFor();
  await click(b, "button", "Read");
  await shows(b, "says that the message was read");
  await look(b, "answered");
});

test("a conversation opens at the first new text, and read is only what was shown", async () => {
  const COUNT = 40;
  await go(a, "#/search");
  for (let at = 0; at < COUNT; at += 1) await ben.run("send", "Andi", `news ${at}`);
  await until("all have come", async () => (await andi.run("friends"))[0].unread === COUNT);
  await go(a, `#/chat/${ids.Ben.id}`);
  const line = a.tab.locator(".messages .new");
  await line.waitFor();
  assert.equal(await line.locator("xpath=following-sibling::li[1]").locator(".text").innerText(), "news 0");
  const inWindow = () => line.evaluate((row) => {
    const [place, frame] = [row.getBoundingClientRect(), row.parentElement.getBoundingClientRect()];
    return place.top >= frame.top && place.bottom <= frame.bottom;
  });
  assert.ok(await inWindow(), "the line is in sight");
  await look(a, "new");
  // What Ben sees of what he wrote: read is a beginning, the rest is not.
  const readAtBen = async () => (await ben.run("read", "Andi", "-n", `${COUNT}`, "--peek")).map((one) => one.state === "read");
  await until("the first ones are read", async () => (await readAtBen())[0]);
  await a.tab.waitForTimeout(500);
  const first = await readAtBen();
  const { unread } = (await andi.run("friends"))[0];
  assert.ok(unread > 0 && unread < COUNT, `${unread} unread`);
  assert.deepEqual(first, Array.from({ length: COUNT }, (_, at) => at < COUNT - unread));
  // A jump to the end shows the last ones: those in between are read once they were in the window.
  const list = a.tab.locator(".messages");
  await list.evaluate((element) => { element.scrollTop = element.scrollHeight; });
  await until("the last ones are read here", async () => (await andi.run("friends"))[0].unread < unread);
  await a.tab.waitForTimeout(500);
  assert.deepEqual(await readAtBen(), first, "nothing is said of those below the gap");
  await until("all were in the window", async () => {
    await list.evaluate((element) => { element.scrollTop -= 150; });
    return (await andi.run("friends"))[0].unread === 0;
  });
  await until("all are read", async () => (await readAtBen()).every(Boolean));
  // Who reads above is not moved, and sees that something came.
  await list.evaluate((element) => { element.scrollTop = 0; });
  await ben.run("send", "Andi", "far below");
  await a.tab.getByRole("button", { name: "1 new · To the newest" }).waitFor();
  assert.ok(await list.evaluate((element) => element.scrollTop) < 200);
  await click(a, "button", /To the newest/);
  await a.tab.locator(".message .text", { hasText: "far below" }).waitFor();
  await a.tab.getByRole("button", { name: /To the newest/ }).waitFor({ state: "hidden" });
  // A notice, or a keyboard on a phone, takes room away: the end stays in sight, and what comes is read.
  await a.tab.setViewportSize({ width: 1120, height: 450 });
  await ben.run("send", "Andi", "in a small window");
  await until("it is read without a touch", async () => (await readAtBen()).at(-1) && (await ben.run("read", "Andi", "-n", "1", "--peek"))[0].text === "in a small window");
  await a.tab.setViewportSize({ width: 1120, height: 720 });
});

test("texts that are sent before the node has answered come in order, and none is lost", async () => {
  await go(a, `#/chat/${ids.Ben.id}`);
  const field = a.tab.getByLabel("Write a message");
  const waits = [1200, 0, 0];
  await a.tab.route("**/api/v1/messages", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, waits.shift()));
    await route.continue();
  });
  await field.pressSequentially("quick one");
  await press(a, "Enter");
  await field.pressSequentially("quick two");
  await press(a, "Enter");
  await field.pressSequentially("quick three");
  await press(a, "Enter");
  await field.pressSequentially("still writing");
  await a.tab.locator(".message .text", { hasText: "quick three" }).waitFor();
  assert.equal(await field.inputValue(), "still writing");
  const texts = async () => (await andi.run("read", "Ben", "-n", "3", "--peek")).map((one) => one.text);
  assert.deepEqual(await texts(), ["quick one", "quick two", "quick three"]);
  assert.deepEqual((await a.tab.locator(".message .text").allInnerTexts()).slice(-3), await texts());
  // What the node does not take stands in front of what was typed since, in order.
  await a.tab.unroute("**/api/v1/messages");
  await a.tab.route("**/api/v1/messages", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    await route.fulfill({ status: 507, json: { error: "store_full", detail: "The disk is full.", hint: "Free some space." } });
  });
  await field.fill("refused");
  await press(a, "Enter");
  await field.pressSequentially("behind it");
  await press(a, "Enter");
  await field.pressSequentially("and this");
  await shows(a, "The disk is full.");
  assert.equal(await field.inputValue(), "refused\nbehind it\nand this");
  assert.equal((await texts()).at(-1), "quick three");
  await a.tab.unroute("**/api/v1/messages");
  await field.fill("");
});

test("a search opens at what it found, and the way back keeps it", async () => {
  await go(a, "#/search");
  await type(a, "Words to search for", "Hello Ben");
  await press(a, "Enter");
  await click(a, "link", "To the conversation");
  const hit = a.tab.locator(".messages .hit");
  await hit.waitFor();
  assert.equal(await hit.locator(".text").innerText(), "Hello Ben");
  const distance = await hit.evaluate((row) => row.getBoundingClientRect().top - row.parentElement.getBoundingClientRect().top);
  assert.ok(distance >= 0 && distance < 500, `${distance} pixels below the upper edge`);
  await look(a, "hit");
  await a.tab.goBack();
  await a.tab.locator(".found li").first().waitFor();
  assert.equal(await a.tab.getByLabel("Words to search for").inputValue(), "Hello Ben");
  await go(a, `#/chat/${ids.Ben.id}`);
});

test("f11 nobody is verified before words were compared, and both sides can compare", async () => {
  for (const [me, other] of [[a, "Ben"], [b, "Andi"]]) {
    assert.equal(await me.tab.getByText("verified").count(), 0);
    await click(me, "link", "Compare words");
    await shows(me, "Is it really them?");
    const words = await me.tab.locator(".card > .words li").allInnerTexts();
    assert.equal(words.join(" "), ids[other].words);
    await click(me, "button", "The words are the same");
    await me.tab.getByRole("heading", { name: "Verified" }).waitFor();
  }
  await look(a, "friend");
  assert.equal((await andi.run("friends"))[0].trust, "verified");
  assert.equal((await ben.run("friends"))[0].trust, "verified");
});

test("a draft and a name that is only begun survive a look elsewhere and news", async () => {
  await go(a, `#/chat/${ids.Ben.id}`);
  await type(a, "Write a message", "half a thought");
  await go(a, "#/search");
  await go(a, `#/chat/${ids.Ben.id}`);
  assert.equal(await a.tab.getByLabel("Write a message").inputValue(), "half a thought");
  await a.tab.reload();
  await until("it is there after a reload", async () => (await a.tab.getByLabel("Write a message").inputValue()) === "half a thought");
  await type(a, "Write a message", "");
  await go(a, `#/friend/${ids.Ben.id}`);
  await type(a, "Name", "Benj");
  await ben.run("send", "Andi", "some news");
  await until("the news are counted", async () => (await andi.run("friends"))[0].unread === 1);
  await a.tab.waitForTimeout(500);
  assert.equal(await a.tab.getByLabel("Name").inputValue(), "Benj");
});

test("the link to the content leaves the view as it is", async () => {
  await go(a, `#/chat/${ids.Ben.id}`);
  await a.tab.locator(".skip").focus();
  await press(a, "Enter");
  assert.equal(await a.tab.evaluate(() => location.hash), `#/chat/${ids.Ben.id}`);
  assert.equal(await a.tab.evaluate(() => document.activeElement.id), "main");
});

test("a further device is added by the page, has the history, writes, and is removed", async () => {
  const tablet = new Node("Tablet");
  const t = await open(await tablet.start("--name", "Tablet"));
  const { link } = await new Node("common relay").relay("--open");
  for (const node of [andi, tablet]) await node.run("relay", "add", link);
  await go(a, "#/me");
  await type(a, /^Write this to all friends/, "I have a tablet now");
  await click(a, "button", "Add a device");
  const code = await a.tab.locator(".code").innerText();
  await look(a, "pairing");
  await t.tab.getByText("I use Symbolon on another device already").click();
  await look(t, "join");
  await type(t, "Pairing code", "nonsense");
  await click(t, "button", "Join");
  await shows(t, /code/);
  await type(t, "Pairing code", code.toUpperCase());
  await click(t, "button", "Join");
  await t.tab.locator("nav .friends .row", { hasText: "Ben" }).waitFor();
  await until("Ben is a friend of the tablet", async () => (await tablet.run("friends"))[0].mutual);
  await until("Ben hears of it", async () => (await ben.run("read", "Andi", "-n", "5", "--peek")).some((one) => one.text === "I have a tablet now"));
  await go(t, `#/chat/${ids.Ben.id}`);
  await shows(t, "Hello Ben");
  await type(t, "Write a message", "from the tablet");
  await press(t, "Enter");
  await until("Ben has it", async () => (await ben.run("read", "Andi", "-n", "1", "--peek"))[0].text === "from the tablet");
  await go(a, `#/chat/${ids.Ben.id}`);
  await a.tab.locator(".message.mine", { hasText: "from the tablet" }).waitFor();
  const draft = (page) => page.tab.getByLabel("Write a message").inputValue();
  await type(t, "Write a message", "begun on the tablet");
  await until("what is begun on one device stands on the other", async () => (await draft(a)) === "begun on the tablet");
  await type(a, "Write a message", "begun on the tablet, and sent here");
  await press(a, "Enter");
  await until("and is gone on both once it is sent", async () => (await draft(t)) === "" && (await draft(a)) === "");
  await go(t, "#/me");
  await type(t, /^Name of this device/, "The tablet");
  await click(t, "button", "Save", t.tab.locator("form", { has: t.tab.locator("#device-name") }));
  await go(a, "#/me");
  const row = a.tab.locator(".people .row", { hasText: "The tablet" });
  await row.getByText("online now").waitFor();
  await look(a, "devices");
  await go(b, `#/friend/${ids.Andi.id}`);
  await shows(b, "Andi uses several devices");
  await look(b, "friend-devices");
  await click(a, "button", "Remove", row);
  await click(a, "button", "Really remove?");
  await shows(a, /Removed on/);
  await shows(t, "This device was removed by another one of yours");
  await until("Ben knows", async () => (await ben.run("friends"))[0].devices.length === 1);
  await t.tab.close();
  await andi.run("relay", "remove", (await andi.run("relay", "list"))[0].relay);
  await go(a, "#/");
  await tablet.stop();
});

test("a device that was stolen is shut out by the words, on the page of one that stays", async () => {
  const [stolen, laptop] = [new Node("Eda"), new Node("Laptop")];
  const { link } = await new Node("Eda relay").relay("--open");
  await stolen.start("--name", "Eda");
  const t = await open(await laptop.start("--name", "Eda"));
  for (const node of [stolen, laptop]) await node.run("relay", "add", link);
  const [{ phrase }] = await stolen.run("id", "phrase");
  const [{ code }] = await stolen.run("device", "pair");
  await laptop.run("device", "join", code);
  const own = async (node) => (await node.run("device", "list")).find((one) => one.this);
  await until("they know each other", async () => (await laptop.run("device", "list")).filter((one) => one.settled).length === 2);
  await go(t, "#/me");
  await t.tab.getByText("If a device was stolen that I cannot remove").click();
  await type(t, /^Your recovery phrase/, phrase.split(" ").reverse().join(" "));
  await click(t, "button", "Shut all others out");
  await click(t, "button", "Really shut them out?");
  await shows(t, /words/);
  assert.equal((await own(stolen)).removed, null);
  await type(t, /^Your recovery phrase/, phrase);
  await t.tab.locator("#keep-words").scrollIntoViewIfNeeded();
  await look(t, "stolen");
  await click(t, "button", "Shut all others out");
  await click(t, "button", "Really shut them out?");
  await shows(t, /Removed on/);
  await until("the stolen one knows it", async () => (await own(stolen)).removed !== null);
  assert.equal((await own(laptop)).removed, null);
  assert.equal(await t.tab.locator("#keep-words").count(), 0, "there is nobody left to shut out");
  await t.tab.close();
  for (const node of [stolen, laptop]) await node.stop();
});

test("a history of 5,000 texts is paged back to its beginning without losing the place", async () => {
  // In a room that nobody else is in, so that nothing has to be sealed and sent.
  const [{ room }] = await andi.run("room", "create", "Diary");
  await fill(room, LONG);
  await go(a, `#/room/${room}`);
  // Some are written at once, so the last ones come in any order.
  await a.tab.locator(".message .text", { hasText: `number ${LONG - 1}` }).waitFor();
  const list = a.tab.locator(".messages");
  let slowest = 0;
  let pages = 0;
  for (let first = await firstRow(); ; pages += 1) {
    const began = Date.now();
    // Where the first row stands, before and after the page above it came.
    await list.evaluate((element) => { element.scrollTop = 100; });
    const place = await rowTop(first);
    const hasMore = await until("an earlier page, or the beginning", async () => {
      const now = await firstRow();
      if (now !== first) return "more";
      return (await list.innerText()).includes("You made the room") ? "beginning" : null;
    });
    if (hasMore === "beginning") break;
    slowest = Math.max(slowest, Date.now() - began);
    const moved = (await rowTop(first)) - place;
    assert.ok(Math.abs(moved) < 3, `the row that was read stays where it is: ${first} after ${pages} pages, by ${moved} pixels`);
    first = await firstRow();
  }
  const oldest = await firstRow();
  const count = await a.tab.locator(".message").count();
  console.log(`${pages} pages back, the slowest in ${slowest} ms; ${count} rows in the document`);
  assert.ok(pages >= LONG / 100 - 1 && count <= 600);
  await andi.run("send", "Diary", "while old texts are read");
  await a.tab.waitForTimeout(700);
  assert.equal(await firstRow(), oldest, "news move nobody who reads");
  // Another tab is looked at for a while.
  for (const state of ["hidden", "visible"]) {
    await a.tab.evaluate((to) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => to });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  }
  await a.tab.waitForTimeout(500);
  assert.equal(await firstRow(), oldest, "nor does a look at another tab");
  assert.ok(await list.evaluate((element) => element.scrollTop) < 200);
  await click(a, "button", "To the newest");
  await a.tab.locator(".message .text", { hasText: "while old texts are read" }).waitFor();
});

const firstRow = () => a.tab.locator(".message .text").first().innerText();
// From the top of the list: what the page says above it moves the list, and no row in it.
const rowTop = (text) => a.tab.locator(".message .text", { hasText: new RegExp(`^${text}$`) }).first().evaluate((row) => row.getBoundingClientRect().top - row.closest(".messages").getBoundingClientRect().top);

// Andi writes so many texts, by the API.
async function fill(to, count) {
  const token = readFileSync(path.join(andi.data, "api-token"), "utf8").trim();
  const [{ http }] = await andi.run("page");
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const send = (text) => new Promise((resolve, reject) => {
    const asked = request(new URL("/api/v1/messages", http), { method: "POST", agent: false, headers }, (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve();
      else reject(new Error(`answered with ${answer.statusCode}`));
    });
    asked.on("error", reject);
    asked.end(JSON.stringify({ to, text }));
  });
  const began = Date.now();
  for (let at = 0; at < count; at += 20) await Promise.all(Array.from({ length: Math.min(20, count - at) }, (_, more) => send(`number ${at + more}`)));
  console.log(`${count} texts written in ${Date.now() - began} ms`);
}

test("a tab connects again after its node was stopped and started again", async () => {
  await go(a, `#/chat/${ids.Ben.id}`);
  await andi.stop();
  await shows(a, "The node does not answer.");
  // What nobody knows now is not shown, and the trouble stands there once.
  assert.equal(await a.tab.locator("nav .dot").first().isVisible(), false, "nobody is online");
  await go(a, "#/search");
  await go(a, `#/chat/${ids.Ben.id}`);
  await shows(a, "once your node answers again");
  await look(a, "away");
  assert.equal(await a.tab.getByText("The node does not answer.").count(), 1);
  for (const text of ["written while Andi was away", "and one more"]) await ben.run("send", "Andi", text);
  await andi.start();
  await a.tab.locator("#banner").waitFor({ state: "hidden" });
  await a.tab.locator(".message .text", { hasText: "written while Andi was away" }).waitFor({ timeout: 60000 });
  await until("who looks at them has read them, without a touch", async () => (await andi.run("friends")).every((one) => one.unread === 0) && (await ben.run("read", "Andi", "-n", "2", "--peek")).every((one) => one.state === "read"), 60000);
  assert.equal(await a.tab.title(), "Symbolon");
  await a.tab.locator("nav .dot.online").first().waitFor({ timeout: 60000 });
});

test("a room is made by the page, and both write in it", async () => {
  await go(a, "#/new-room");
  await look(a, "new-room");
  await type(a, /^Its name/, "Boat trip");
  await a.tab.getByLabel("Ben").check();
  await click(a, "button", "Make the room");
  await a.tab.getByRole("heading", { name: "Boat trip" }).waitFor();
  await type(a, "Write a message", "Who brings the oars?");
  await press(a, "Enter");
  await b.tab.locator("nav .friends .row", { hasText: "Boat trip" }).click();
  await b.tab.locator(".message .text", { hasText: "oars" }).waitFor();
  await type(b, "Write a message", "I do");
  await press(b, "Enter");
  await a.tab.locator(".message .text", { hasText: "I do" }).waitFor();
  await a.tab.locator("nav .friends .row", { hasText: "Boat trip" }).locator(".badge").waitFor({ state: "detached" });
  await look(a, "room");
  await click(a, "link", "About this room");
  await shows(a, "Who is in it");
  await look(a, "room-people");
});

test("a relay is added and removed by the page", async () => {
  await go(a, "#/me");
  await shows(a, "You have no relay.");
  await look(a, "settings");
  await a.tab.getByText("Add a relay").click();
  await type(a, "Relay link", "nonsense");
  await click(a, "button", "Use this relay");
  await shows(a, "The link is damaged");
  const { link, claim } = await new Node("relay").relay();
  await type(a, "Relay link", link);
  await type(a, /^Claim code/, claim);
  await click(a, "button", "Use this relay");
  await shows(a, "connected: it keeps messages");
  assert.equal((await andi.run("relay", "list"))[0].state, "connected");
  await look(a, "relay");
  const row = a.tab.locator(".people .row", { hasText: "connected" });
  await click(a, "button", "Remove", row);
  await click(a, "button", "Really remove?");
  await shows(a, "You have no relay.");
  assert.deepEqual(await andi.run("relay", "list"), []);
});

test("hostile names and texts are shown as they are, and none runs", async () => {
  const page = await open(await cara.start("--name", HOSTILE[1]));
  await page.tab.close();
  const [{ link }] = await andi.run("invite");
  await cara.run("add", link, "--note", HOSTILE[0]);
  await go(a, "#/requests");
  await shows(a, "asks to be your friend");
  assert.ok((await a.tab.locator("blockquote").innerText()).includes(HOSTILE[0]));
  await look(a, "requests");
  await click(a, "button", "Accept");
  await a.tab.getByRole("log").waitFor();
  await until("Cara has a friend", async () => (await cara.run("friends"))[0]?.mutual);
  for (const text of HOSTILE) await cara.run("send", "Andi", "--", text.replaceAll("\u0000", ""));
  await until("all have come", async () => (await a.tab.locator(".message").count()) === HOSTILE.length);
  await unharmed("chat");
  const room = await cara.run("room", "create", HOSTILE[7].slice(0, 60));
  await cara.run("room", "topic", room[0].room, HOSTILE[10]);
  await cara.run("room", "add", room[0].room, "Andi");
  await a.tab.locator("nav .friends .row", { hasText: "<iframe" }).click();
  await shows(a, "people");
  await unharmed("room");
  for (const view of ["#/", "#/requests", "#/add", "#/me", "#/new-room", `#/friend/${(await cara.run("id"))[0].id}`, `#/people/${room[0].room}`]) {
    await go(a, view);
    await a.tab.waitForTimeout(300);
    await unharmed(view);
  }
  await go(a, "#/search");
  await type(a, "Words to search for", "ran");
  await press(a, "Enter");
  await a.tab.locator(".found li").first().waitFor();
  await unharmed("search");
  await look(a, "search");
});

async function unharmed(where) {
  assert.equal(await a.tab.evaluate(() => globalThis.ran), undefined, where);
  const made = await a.tab.locator("#app :is(script, iframe, math, style, form[action], img[src=x], a[href^=javascript])").count();
  assert.equal(made, 0, where);
}

test("the other views are looked at", async () => {
  await look(a, "chat", `#/chat/${ids.Ben.id}`);
  await look(a, "add", "#/add");
  await click(a, "button", "Make an invite");
  await a.tab.locator(".result .qr").waitFor();
  await look(a, "invite");
  await click(a, "button", "Revoke");
  await look(a, "list", "#/");
  await look(a, "nobody", "#/chat/nobody");
});

test("somebody blocked reaches nobody, and unblocking brings them back", async () => {
  await go(a, `#/friend/${ids.Ben.id}`);
  await twice(a, "Block this friend", "Really block?");
  await shows(a, "Nothing from this friend reaches you.");
  await look(a, "blocked");
  await ben.run("send", "Andi", "while blocked");
  await a.tab.waitForTimeout(1500);
  assert.equal((await andi.run("read", "Ben", "-n", "50", "--peek")).filter((one) => one.text === "while blocked").length, 0);
  await click(a, "button", "Unblock");
  await a.tab.getByRole("button", { name: "Block this friend" }).waitFor();
  // As the page says: what was written meanwhile comes now.
  await until("what was written meanwhile has come", async () => (await andi.run("read", "Ben", "-n", "50", "--peek")).some((one) => one.text === "while blocked"));
});

async function twice(person, name, question) {
  await click(person, "button", name);
  await click(person, "button", question);
}

test("a friendship is ended by the page, after a question", async () => {
  await go(a, `#/friend/${ids.Ben.id}`);
  await twice(a, "End the friendship", "Really end it?");
  await until("Ben is no friend", async () => (await andi.run("friends")).every((one) => one.name !== "Ben"));
  // What was written stays, and can be read; nothing can be written any more.
  const row = a.tab.locator(`nav .friends .row[href="#/chat/${ids.Ben.id}"]`);
  await until("Ben is listed as a former friend", async () => (await row.allInnerTexts()).join().includes("Former friend"));
  await row.click();
  await shows(a, "Your friendship has ended. What was written stays.");
  await a.tab.locator(".messages li", { hasText: "while blocked" }).first().waitFor();
  assert.equal(await a.tab.locator("form.composer").isVisible(), false);
  await go(a, "#/requests");
  await a.tab.getByText("Earlier").click().catch(() => {});
  await shows(a, "was your friend");
  assert.equal(await a.tab.locator(".request", { hasText: "Ben is your friend" }).count(), 0);
});

test("an own request is taken back by the page", async () => {
  await go(a, "#/add");
  await type(a, /^Paste the link/, "a".repeat(52));
  await click(a, "button", "Send friend request");
  await shows(a, "was not found yet");
  await twice(a, "Take the request back", "Really take it back?");
  await until("it is cancelled", async () => (await andi.run("requests")).some((one) => one.status === "cancelled"));
});

test("an invite is printed alone: its code large enough to be scanned, from whom it is, and the link", async () => {
  await go(a, "#/add");
  await click(a, "button", "Make an invite");
  await a.tab.locator(".result .qr").waitFor();
  const link = await a.tab.locator(".result input").inputValue();
  await a.tab.emulateMedia({ media: "print" });
  const paper = a.tab.locator("body > .paper");
  assert.equal(await a.tab.locator("#app").isVisible(), false);
  const [code, name, text] = [paper.locator(".qr"), paper.getByText("Andi", { exact: true }), paper.getByText(link, { exact: true })];
  for (const part of [code, name, text]) assert.ok(await part.isVisible());
  const [above, ...below] = await Promise.all([code, name, text].map((part) => part.boundingBox()));
  // A version 6 code has 41 modules and 8 light ones: a phone wants half a millimetre each, 96 pixels are an inch.
  assert.ok(above.width >= 49 * 0.5 / 25.4 * 96 && Math.abs(above.width - above.height) < 2, JSON.stringify(above));
  for (const box of below) assert.ok(box.y >= above.y + above.height);
  // In every scheme of colours it is dark on white.
  assert.equal(await a.tab.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  // The picture is left for another program that looks for a code in it.
  if (process.env.SYMBOLON_PRINTED) await leave(await a.tab.screenshot(), link, process.env.SYMBOLON_PRINTED);
  const pages = (await a.tab.pdf()).toString("latin1").match(/\/Type\s*\/Page\b/g).length;
  assert.equal(pages, 1);
  await a.tab.emulateMedia({ media: "screen" });
  assert.equal(await paper.isVisible(), false);
  await go(a, "#/requests");
  await a.tab.locator("body > .paper").waitFor({ state: "detached" });
});

test("an address is good once, and a stranger's tab says how to get in", async () => {
  const [{ http }] = await andi.run("page");
  const first = await open(http);
  await first.tab.locator("nav .friends").waitFor();
  const second = await open(http);
  await shows(second, "This browser is not signed in");
  await examine(second, "signed-out");
  assert.equal(await second.tab.getByText("Ben").count(), 0);
});

test("axe has found nothing in any view, in both sizes, light and dark", () => {
  assert.deepEqual(found.findings, []);
  // 20 views, each in both sizes and both colour schemes.
  assert.ok(found.views >= 80, `${found.views} pictures`);
  console.log(`axe: nothing found in ${found.views} pictures`);
});

test("nothing went wrong in any tab", () => {
  assert.deepEqual([...a.faults, ...b.faults], []);
});
