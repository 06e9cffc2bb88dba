import { defineConfig } from "@playwright/test";

// The page tests drive the release binary (see server.ts) in the system's Chromium. Nothing here is retried: a test that fails once has
// found something.
export default defineConfig({
  testDir: "tests",
  outputDir: "../target/e2e",
  fullyParallel: true,
  forbidOnly: true,
  workers: 2,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: process.env.PLAYWRIGHT_JSON_OUTPUT_NAME ? [["line"], ["json"]] : "line",
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
      ],
    },
    viewport: { width: 1280, height: 800 },
    locale: "en-US",
    timezoneId: "Europe/Berlin",
    actionTimeout: 10_000,
    navigationTimeout: 15_000,
    // Without pictures of every moment, which cost more than the tests themselves; the DOM is in it.
    trace: { mode: "retain-on-failure", screenshots: false },
  },
});
