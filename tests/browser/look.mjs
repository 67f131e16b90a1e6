// Pages in a browser: opened, acted upon by counted actions, examined by axe, kept as pictures.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = process.env.PICTURES; // a folder; none are kept without it
// Work on the page's files without a build: they are taken from this folder.
const FILES = process.env.PAGE_FILES;

export const SIZES = { desktop: { width: 1120, height: 720 }, phone: { width: 390, height: 760 } };

let browser = null;

export async function launch() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

export const close = () => browser?.close();

// A tab of somebody's. Whatever goes wrong in it is kept, for the end of the test.
export async function open(address, size = "desktop") {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: "light", locale: "en-GB", permissions: ["clipboard-read", "clipboard-write"], reducedMotion: "reduce" });
  const tab = await context.newPage();
  tab.setDefaultTimeout(15000);
  const faults = [];
  tab.on("pageerror", (error) => faults.push(String(error)));
  tab.on("dialog", (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  tab.on("console", (line) => {
    // What the node refuses, or that it is away, the page says in its own words.
    if (line.type() === "error" && !/^Failed to load resource/.test(line.text())) faults.push(line.text());
  });
  tab.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1") faults.push(`asked ${request.url()}`);
  });
  if (FILES) {
    await tab.route(/\.(js|css)$|\/(\?token=.*)?$/, async (route) => {
      const name = new URL(route.request().url()).pathname.slice(1) || "index.html";
      const answer = name === "index.html" ? await route.fetch() : null;
      const types = { js: "text/javascript", css: "text/css", html: "text/html" };
      await route.fulfill({ response: answer ?? undefined, path: path.join(FILES, name), contentType: types[name.split(".").pop()] });
    });
  }
  await tab.goto(address);
  return { tab, faults, actions: 0 };
}

// What a person does; each counts as one.
export async function click(person, role, name, within = person.tab) {
  person.actions += 1;
  await within.getByRole(role, { name }).first().click();
}

export async function type(person, label, text) {
  person.actions += 1;
  await person.tab.getByLabel(label).first().fill(text);
}

export async function press(person, key) {
  person.actions += 1;
  await person.tab.keyboard.press(key);
}

export const go = (person, hash) => person.tab.evaluate((to) => { location.hash = to; }, hash);

export const shows = (person, text) => person.tab.getByText(text).first().waitFor();

// What axe found in all views that were examined, and how many there were.
export const found = { views: 0, findings: [] };

// Shows the view to axe, in both sizes and both colour schemes.
export async function examine(person, view) {
  const { tab } = person;
  for (const size of Object.keys(SIZES)) {
    await tab.setViewportSize(SIZES[size]);
    for (const colorScheme of ["light", "dark"]) {
      await tab.emulateMedia({ colorScheme });
      await tab.waitForTimeout(50);
      if (PICTURES) await tab.screenshot({ path: path.join(PICTURES, `${view}-${size}-${colorScheme}.png`) });
      // Not by a script element: the page's policy allows none.
      await tab.evaluate(AXE);
      const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      const said = violations.map((one) => `${one.id}: ${one.nodes.length} times, first ${one.nodes[0].html.slice(0, 160)} (${one.nodes[0].failureSummary})`);
      found.findings.push(...said.map((one) => `${view}, ${size}, ${colorScheme}: ${one}`));
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) found.findings.push(`${view}, ${size}: ${wide} pixels wider than the window`);
      found.views += 1;
    }
  }
  await tab.setViewportSize(SIZES.desktop);
  await tab.emulateMedia({ colorScheme: "light" });
}
