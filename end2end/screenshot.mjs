// Takes the pictures of the README from the running product: starts the release server on an empty folder, lets the harness fill it with its
// believable team, signs in as one of them and looks at one of the groups. Called by scripts/screenshot.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "@playwright/test";

const root = new URL("..", import.meta.url).pathname;
const built = (name) => join(root, "target/release", name);
const data = mkdtempSync(join(tmpdir(), "confab-screenshot-"));
const server = spawn(built("confab"), ["serve", "--listen", "127.0.0.1:0", "--data", data], { stdio: ["ignore", "pipe", "ignore"] });

try {
  const url = await new Promise((resolve, reject) => {
    server.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: server.stdout }).on("line", (line) => {
      const address = /^confab: listening on (http:\S+)$/.exec(line)?.[1];
      if (address) resolve(address);
    });
  });
  execFileSync(built("confab-harness"), ["demo", "--url", url], { stdio: ["ignore", "ignore", "inherit"] });
  await pictures(url);
} finally {
  if (server.exitCode === null && server.signalCode === null) {
    const gone = once(server, "exit");
    server.kill("SIGKILL");
    await gone;
  }
  rmSync(data, { recursive: true, force: true });
}

async function pictures(url) {
  const signedIn = await fetch(`${url}/api/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    // One of the people of `demo`.
    body: JSON.stringify({ username: "priya.nair", password: "ride-with-loopline" }),
  });
  if (!signedIn.ok) throw new Error(`the sign-in answered ${signedIn.status} ${await signedIn.text()}`);
  const { token } = await signedIn.json();
  const [, name, value] = /^([^=]+)=([^;]*)/.exec(signedIn.headers.getSetCookie()[0]);
  const { conversations } = await (await fetch(`${url}/api/v1/conversations`, { headers: { authorization: `Bearer ${token}` } })).json();
  // One that is written in two scripts and has something unread.
  const group = conversations.find(({ title }) => title === "Rider support");

  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  mkdirSync(join(root, "docs"), { recursive: true });
  for (const [file, colorScheme, width, height] of [
    ["screenshot-light.png", "light", 1440, 900],
    ["screenshot-dark.png", "dark", 1440, 900],
    ["screenshot-phone.png", "light", 390, 844],
  ]) {
    const phone = width < 720;
    const context = await browser.newContext({
      baseURL: url,
      colorScheme,
      viewport: { width, height },
      isMobile: phone,
      hasTouch: phone,
      locale: "en-US",
      reducedMotion: "reduce",
    });
    await context.addCookies([{ name, value, url }]);
    // Nobody looks at the window, so nothing is marked as read between two pictures.
    await context.addInitScript(() => (document.hasFocus = () => false));
    const page = await context.newPage();
    await page.goto(`/c/${group.id}`);
    await page.locator("html[data-hydrated]").waitFor({ state: "attached" });
    await page.locator('[data-link="live"]').waitFor({ state: "attached" });
    if (width >= 1100) await page.getByRole("button", { name: "Details" }).click();
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: join(root, "docs", file), animations: "disabled", caret: "hide" });
    console.log(`docs/${file}`);
    await context.close();
  }
  await browser.close();
}
