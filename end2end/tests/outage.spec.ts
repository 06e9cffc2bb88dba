import type { Page, WebSocketRoute } from "@playwright/test";
import { expect, test } from "../fixtures";
import { App } from "../pages/app";

test("both browsers recover from a killed server; nothing is lost or doubled", async ({ ownWorld: world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await a.composer.send("before the crash");
  await Promise.all([a, b].map((app) => app.messages.expectSent("before the crash")));

  await world.server.kill();
  await Promise.all([a.expectAway(), b.expectAway()]);
  await a.composer.send("written meanwhile, first", "written meanwhile, second");
  await b.composer.send("from the other side");
  await a.messages.expectPending("written meanwhile, first", "written meanwhile, second");
  await b.messages.expectPending("from the other side");

  await world.server.start();
  await Promise.all([a.expectLive(), b.expectLive()]);
  const all = ["before the crash", "written meanwhile, first", "written meanwhile, second", "from the other side"];
  await Promise.all([a, b].map((app) => app.messages.expectSent(...all)));
  const stored = await ada.texts(id);
  expect([...stored].sort()).toEqual([...all].sort());
  expect(stored.indexOf(all[1]!)).toBeLessThan(stored.indexOf(all[2]!));
  for (const app of [a, b]) expect(await app.messages.order(all)).toEqual(stored);

  // And it goes on as before.
  await b.composer.send("back again");
  await a.messages.expectSent("back again");
  await Promise.all([a, b].map((app) => app.reload()));
  for (const app of [a, b]) expect(await app.messages.order([...all, "back again"])).toEqual([...stored, "back again"]);
});

test("a server killed while messages are on their way keeps each exactly once", async ({ ownWorld: world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  const texts = Array.from({ length: 20 }, (_, index) => `on its way ${index + 1}.`);
  const writing = a.composer.send(...texts);
  await b.messages.expectSent(texts[3]!);
  await world.server.kill();
  await writing;
  await world.server.start();
  await Promise.all([a.expectLive(), b.expectLive()]);
  await Promise.all([a, b].map((app) => expect(app.messages.in("sent")).toHaveCount(20, { timeout: 20_000 })));
  expect(await ada.texts(id)).toEqual(texts);
  for (const app of [a, b]) expect(await app.messages.order(texts)).toEqual(texts);
});

test("messages written offline arrive once, and what was missed is there", async ({ world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const wire = await world.wire();
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`, { through: wire }), world.visit(bo, `/c/${id}`)]);
  await a.composer.send("connected");
  await b.messages.expectSent("connected");

  await a.page.context().setOffline(true);
  wire.cut();
  await a.expectAway();
  await b.composer.send("missed, first", "missed, second");
  await b.messages.expectSent("missed, first", "missed, second");
  await a.composer.send("offline, first", "offline, second", "offline, third");
  await a.messages.expectPending("offline, first", "offline, second", "offline, third");
  // The page says that they wait, and how many.
  await expect(a.page.getByRole("status").filter({ hasText: "3" })).toBeVisible();
  expect(await ada.texts(id)).toEqual(["connected", "missed, first", "missed, second"]);

  wire.mend();
  await a.page.context().setOffline(false);
  await a.expectLive();
  const all = ["connected", "missed, first", "missed, second", "offline, first", "offline, second", "offline, third"];
  await Promise.all([a, b].map((app) => app.messages.expectSent(...all)));
  expect(await ada.texts(id)).toEqual(all);
  for (const app of [a, b]) expect(await app.messages.order(all)).toEqual(all);
});

test("a connection that breaks again and again loses nothing", async ({ world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const wire = await world.wire();
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`, { through: wire }), world.visit(bo, `/c/${id}`)]);
  const texts = Array.from({ length: 12 }, (_, index) => `through a bad line ${index + 1}.`);
  for (const [index, text] of texts.entries()) {
    await a.composer.send(text);
    if (index % 4 === 1) wire.drop();
    if (index % 4 === 3) await a.messages.expectSent(text);
  }
  await Promise.all([a, b].map((app) => expect(app.messages.in("sent")).toHaveCount(12, { timeout: 20_000 })));
  expect(await ada.texts(id)).toEqual(texts);
  for (const app of [a, b]) expect(await app.messages.order(texts)).toEqual(texts);
});

/** Puts the test between a page and its socket: `up` and `down` answer whether a frame may pass. */
async function between(page: Page, up: (frame: any, route: WebSocketRoute) => boolean, down: (frame: any) => boolean): Promise<void> {
  await page.routeWebSocket(/\/ws$/, (near) => {
    const far = near.connectToServer();
    near.onMessage((text) => {
      if (up(JSON.parse(String(text)), near)) far.send(text);
    });
    far.onMessage((text) => {
      if (down(JSON.parse(String(text)))) near.send(text);
    });
  });
}

test("an answer that was lost is asked for again: one message", async ({ world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const wire = await world.wire();
  const page = await world.page(ada, { through: wire });
  const nonces: string[] = [];
  let lost = 0;
  await between(
    page,
    (frame) => {
      if (frame.type === "send") nonces.push(frame.nonce);
      return true;
    },
    (frame) => {
      if (frame.type !== "ack" || lost > 0) return true;
      // Stored, but the sender will not hear of it.
      lost += 1;
      wire.drop();
      return false;
    },
  );
  const a = new App(page);
  await page.goto(`/c/${id}`);
  await a.hydrated();
  await a.composer.send("once");
  await a.messages.expectSent("once");
  expect(lost).toBe(1);
  expect(new Set(nonces).size).toBe(1);
  expect(await bo.texts(id)).toEqual(["once"]);
});

test("a refused message says why and can be tried again or deleted", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const page = await world.page(ada);
  let refuse = true;
  await between(
    page,
    (frame, near) => {
      if (frame.type !== "send" || !refuse) return true;
      const refusal = { type: "refused", nonce: frame.nonce, code: "forbidden", message: "You may not write here.", retryable: false };
      near.send(JSON.stringify(refusal));
      return false;
    },
    () => true,
  );
  const a = new App(page);
  await page.goto(`/c/${id}`);
  await a.hydrated();
  await a.composer.send("refused twice", "given up");
  await expect(a.messages.in("refused")).toHaveCount(2);

  const again = a.messages.with("refused twice");
  await expect(again).toContainText(/Not sent: \S+/);
  await again.getByRole("button", { name: "Retry" }).click();
  await expect(a.messages.in("refused")).toHaveCount(2);
  refuse = false;
  await again.getByRole("button", { name: "Retry" }).click();
  await a.messages.expectSent("refused twice");
  await a.messages.with("given up").getByRole("button", { name: "Delete" }).click();
  await expect(a.messages.with("given up")).toHaveCount(0);
  expect(await bo.texts(id)).toEqual(["refused twice"]);
  await a.reload();
  expect(await a.messages.order(["refused twice", "given up"])).toEqual(["refused twice"]);
});
