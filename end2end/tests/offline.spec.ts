import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures";
import { App } from "../pages/app";

/** How many of my requests this browser keeps. */
function kept(page: Page, person: string): Promise<number> {
  return page.evaluate(
    (name) =>
      new Promise<number>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const counting = opening.result.transaction("outbox").objectStore("outbox").count();
          counting.onsuccess = () => {
            opening.result.close();
            resolve(counting.result);
          };
        };
      }),
    `confab.${person}`,
  );
}

/** The service worker has the page of this path, and answers for this tab. */
async function expectKept(page: Page, path: string): Promise<void> {
  await expect
    .poll(() => page.evaluate(async (path) => !!navigator.serviceWorker.controller && !!(await caches.match(path)), path))
    .toBe(true);
}

test("what was written without a server survives closing the tab", async ({ ownWorld: world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  const b = await world.visit(bo, `/c/${id}`);
  await a.composer.send("before");
  await b.messages.expectSent("before");
  await world.server.kill();
  await a.expectAway();
  await a.composer.send("closed, first", "closed, second");
  await expect.poll(() => kept(a.page, ada.id)).toBe(2);
  const context = a.page.context();
  await a.page.close();

  await world.server.start();
  const again = new App(await context.newPage());
  await again.page.goto(`/c/${id}`);
  await again.messages.expectSent("before", "closed, first", "closed, second");
  await b.messages.expectSent("closed, first", "closed, second");
  expect(await ada.texts(id)).toEqual(["before", "closed, first", "closed, second"]);
  await expect.poll(() => kept(again.page, ada.id)).toBe(0);
});

test("and a crash of the tab", async ({ ownWorld: world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await a.expectLive();
  await world.server.kill();
  await a.expectAway();
  await a.composer.send("written before the crash");
  await expect.poll(() => kept(a.page, ada.id)).toBe(1);
  const context = a.page.context();
  const crashed = a.page.waitForEvent("crash");
  await Promise.all([crashed, a.page.goto("chrome://crash").catch(() => undefined)]);

  await world.server.start();
  const again = new App(await context.newPage());
  await again.page.goto(`/c/${id}`);
  await again.messages.expectSent("written before the crash");
  expect(await ada.texts(id)).toEqual(["written before the crash"]);
});

test("of two tabs one sends, whichever is left", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const page = await world.page(ada);
  const sent: string[] = [];
  await page.context().routeWebSocket(/\/ws$/, (near) => {
    const far = near.connectToServer();
    near.onMessage((text) => {
      const frame = JSON.parse(String(text));
      if (frame.type === "send") sent.push(frame.nonce);
      far.send(text);
    });
  });
  const one = new App(page);
  await page.goto(`/c/${id}`);
  await one.hydrated();
  await one.composer.send("from the first");
  await one.messages.expectSent("from the first");
  const two = await one.secondTab(`/c/${id}`);
  await two.composer.send("from the second");
  await one.composer.send("and another one");
  const texts = ["from the first", "from the second", "and another one"];
  for (const tab of [one, two]) await tab.messages.expectSent(...texts);
  expect(sent).toHaveLength(3);
  expect(new Set(sent).size).toBe(3);
  await one.page.close();
  await two.composer.send("from the one that is left");
  await two.messages.expectSent("from the one that is left");
  expect(sent).toHaveLength(4);
  expect(await ada.texts(id)).toEqual([...texts, "from the one that is left"]);
});

test("conversations are read without a server after a reload, and written to", async ({ ownWorld: world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const [group, id] = [await ada.group("Readers", bo), await ada.direct(bo)];
  await bo.send(id, "read me later");
  await bo.send(group, "and me");
  const a = await world.visit(ada, `/c/${id}`);
  await expectKept(a.page, `/c/${id}`);
  // Come to without a load of its own.
  await a.list.open("Readers");
  await a.messages.expectSent("and me");
  await expectKept(a.page, `/c/${group}`);

  await world.server.kill();
  await a.expectAway();
  await a.reload();
  await a.messages.expectSent("and me");
  await a.expectAway();
  await a.composer.send("written in the dark");
  await a.messages.expectPending("written in the dark");
  await a.page.goto(`/c/${id}`);
  await a.hydrated();
  await a.messages.expectSent("read me later");

  await world.server.start();
  await a.expectLive();
  await a.list.open("Readers");
  await a.messages.expectSent("and me", "written in the dark");
  expect(await ada.texts(group)).toEqual(["and me", "written in the dark"]);
});

test("whoever signs out leaves nothing to read", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "for Ada only");
  const a = await world.visit(ada, `/c/${id}`, { cookie: await ada.signIn() });
  await expectKept(a.page, `/c/${id}`);
  await a.page.goto("/settings");
  await a.hydrated();
  await a.settings.signOut.click();
  await expect(a.signIn.username).toBeVisible();
  expect(await a.page.evaluate(async () => (await caches.has("pages")) && (await (await caches.open("pages")).keys()).length)).toBeFalsy();
});
