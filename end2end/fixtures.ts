import { type BrowserContextOptions, test as base, expect } from "@playwright/test";
import { Guard } from "./guard";
import { Server } from "./server";
import { World } from "./world";

interface TestFixtures {
  /** Fails the test on anything wrong in any of its pages. */
  guard: Guard;
  /** People and browsers on the server that the tests of this worker share. */
  world: World;
  /** People and browsers on a server of the test's own, which it may kill. */
  ownWorld: World;
  contextDefaults: BrowserContextOptions;
}

interface WorkerFixtures {
  server: Server;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  server: [
    // Playwright reads what a fixture needs from its first parameter's braces.
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.dispose();
    },
    { scope: "worker" },
  ],

  guard: [
    async ({}, use) => {
      const guard = new Guard();
      await use(guard);
      expect(guard.complaints, "nothing goes wrong in any page").toEqual([]);
    },
    { auto: true },
  ],

  contextDefaults: async ({ viewport, locale, timezoneId, colorScheme }, use) => {
    await use({ viewport, locale, timezoneId, colorScheme });
  },

  world: async ({ server, browser, guard, contextDefaults }, use, info) => {
    const world = new World(server, browser, guard, contextDefaults);
    await use(world);
    await world.dispose();
    if (info.status !== info.expectedStatus || guard.complaints.length > 0) {
      await info.attach("server.log", { body: server.log, contentType: "text/plain" });
    }
  },

  ownWorld: async ({ browser, guard, contextDefaults }, use, info) => {
    const server = await Server.start();
    const world = new World(server, browser, guard, contextDefaults);
    await use(world);
    await world.dispose();
    if (info.status !== info.expectedStatus || guard.complaints.length > 0) {
      await info.attach("server.log", { body: server.log, contentType: "text/plain" });
    }
    await server.dispose();
  },
});

export { expect };
