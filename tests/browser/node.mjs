// The built command as these tests drive it: nodes and a relay on folders of their own, started, asked, stopped.

import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const BIN = process.env.SYMBOLON_BIN ?? path.join(ROOT, "target/debug/symbolon");
const READY = 15000; // milliseconds
const PATIENCE = 30000;

if (!existsSync(BIN)) throw new Error(`${BIN} is missing: cargo build -p symbolon`);

const home = mkdtempSync(path.join(tmpdir(), "symbolon-browser-"));
const running = new Set();

// Ends what still runs, and leaves nothing behind.
export function cleanUp() {
  for (const child of running) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
}

export class Node {
  constructor(name) {
    this.name = name;
    this.data = path.join(home, name);
  }

  // Starts it; answers the address of its page, which is good once.
  async start(...flags) {
    return (await this.spawn("up", "--no-open", "--no-lan", ...flags)).http;
  }

  // Starts a relay in its place; answers what that says of itself.
  relay(...flags) {
    return this.spawn("relay", "run", ...flags);
  }

  async spawn(...args) {
    this.child = spawn(BIN, ["--data", this.data, "--json", ...args, "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"], { stdio: ["ignore", "pipe", "inherit"] });
    running.add(this.child);
    const line = await new Promise((resolve, reject) => {
      let text = "";
      setTimeout(() => reject(new Error(`${this.name} is not ready`)), READY).unref();
      this.child.on("exit", (code) => reject(new Error(`${this.name} ended with ${code}: ${text}`)));
      this.child.stdout.on("data", (more) => {
        text += more;
        if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
      });
    });
    return JSON.parse(line);
  }

  async stop() {
    const ended = new Promise((resolve) => this.child.on("exit", resolve));
    this.child.kill("SIGINT");
    await ended;
    running.delete(this.child);
  }

  // One command; answers the objects that it prints.
  run(...args) {
    return new Promise((resolve, reject) => {
      execFile(BIN, ["--data", this.data, "--json", ...args], { timeout: PATIENCE, maxBuffer: 1 << 26 }, (error, stdout) => {
        if (error) reject(new Error(`${args.join(" ")}: ${stdout}`));
        else resolve(stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line)));
      });
    });
  }
}

// Looks again until it holds.
export async function until(what, look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
