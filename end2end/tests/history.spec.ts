import { expect, test } from "../fixtures";
import { numbered } from "../text";

/** Rows that may be in the page at once, with some allowance for a page that was just added. */
const ROWS = 220;

test("older messages come while scrolling up, and what is read does not move", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const texts = numbered("history", 300).map((text, index) => (index % 7 === 0 ? `${text} ${"and more of it ".repeat(20)}` : text));
  await bo.send(id, ...texts);
  await ada.read(id, 300);
  const a = await world.visit(ada, `/c/${id}`);
  await a.messages.expectSent("history 300.");
  await a.messages.expectAtBottom();
  await expect(a.messages.latest).not.toBeVisible();

  let loads = 0;
  while ((await a.messages.seqs())[0]! > 1) {
    expect(Math.abs(await a.messages.loadOlder()), "pixels moved under the reader").toBeLessThanOrEqual(2);
    const seqs = await a.messages.seqs();
    expect(seqs.length).toBeLessThanOrEqual(ROWS);
    expect(seqs).toEqual(Array.from(seqs, (_, index) => seqs[0]! + index));
    expect((loads += 1)).toBeLessThan(20);
  }
  await a.messages.with("history 1.").scrollIntoViewIfNeeded();
  await expect(a.messages.latest).toBeVisible();
  await a.messages.latest.click();
  await expect(a.messages.with("history 300.")).toBeInViewport();
  await a.messages.expectAtBottom();
  await expect(a.messages.latest).not.toBeVisible();
  expect((await a.messages.seqs()).length).toBeLessThanOrEqual(ROWS);
});

test("scrolling down again after a long way up shows every message", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...numbered("both ways", 260));
  await ada.read(id, 260);
  const a = await world.visit(ada, `/c/${id}`);
  while ((await a.messages.seqs())[0]! > 1) await a.messages.loadOlder();
  const met = new Set(await a.messages.seqs());
  await expect
    .poll(async () => {
      await a.messages.wheel(1500);
      for (const seq of await a.messages.seqs()) met.add(seq);
      return (await a.messages.seqs()).at(-1) === 260 && (await a.messages.belowView()) <= 1;
    })
    .toBe(true);
  expect(met.size).toBe(260);
  await a.composer.send("at the end");
  await a.messages.expectSent("at the end");
});

test("the page stays at the bottom while I am there", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...numbered("earlier", 40));
  await ada.read(id, 40);
  const a = await world.visit(ada, `/c/${id}`);
  await a.messages.expectAtBottom();
  for (const text of numbered("arrives", 5)) {
    await bo.send(id, `${text} ${"with several lines ".repeat(20)}`);
    await a.messages.expectSent(text);
    await a.messages.expectAtBottom();
  }
  await a.page.setViewportSize({ width: 1280, height: 500 });
  await a.messages.expectAtBottom();
});

test("nothing moves while I read above, and my own message brings me back", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...numbered("earlier", 48));
  await ada.read(id, 48);
  const a = await world.visit(ada, `/c/${id}`);
  await a.messages.expectAtBottom();
  await a.messages.wheel(-700);
  await expect.poll(() => a.messages.belowView()).toBeGreaterThan(300);
  await expect(a.messages.latest).toBeVisible();
  const anchor = await a.messages.settledTop(25);
  for (const text of numbered("arrives", 5)) {
    await bo.send(id, text);
    await expect(a.list.row(bo.name)).toContainText(text);
  }
  expect(Math.abs((await a.messages.top(25)) - anchor)).toBeLessThanOrEqual(1);
  // Not seen, so not read.
  expect(await ada.unread(id)).toBe(5);
  await a.composer.send("here I am");
  await a.messages.expectSent("here I am");
  await a.messages.expectAtBottom();
  await expect.poll(() => ada.unread(id)).toBe(0);
});
