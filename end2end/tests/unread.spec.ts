import { attention, unattended } from "../attention";
import { expect, test } from "../fixtures";
import { numbered } from "../text";

test("a conversation is kept as unread from a message on", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "one", "two", "three");
  const a = await world.visit(ada, `/c/${id}`);
  await a.messages.expectSent("one", "two", "three");
  await a.list.expectUnread(bo.name, 0);
  await a.actions.choose(a.messages.with("two"), "Mark unread from here");
  await a.list.expectUnread(bo.name, 2);
  await a.expectTotal(2);
  await expect.poll(() => ada.unread(id)).toBe(2);
  await a.page.goto("/settings");
  await a.hydrated();
  await a.list.expectUnread(bo.name, 2);
  await a.list.open(bo.name);
  await expect(a.messages.divider).toBeVisible();
  const rows = a.messages.log.locator(".rows > *");
  const texts = (await rows.allTextContents()).filter((text) => /^New$|one|two|three/.test(text.trim()));
  expect(texts.findIndex((text) => text.trim() === "New")).toBe(texts.findIndex((text) => text.includes("two")) - 1);
  await a.list.expectUnread(bo.name, 0);
  await expect.poll(() => ada.unread(id)).toBe(0);
});

test("the badge rises in another conversation, is the same in every tab and after a reload, and clears on opening", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [open, other] = [await ada.direct(bo), await ada.group("Launch week", bo, cy)];
  await ada.send(open, "here");
  const tab = await world.visit(ada, `/c/${open}`);
  const second = await tab.secondTab(`/c/${open}`);
  const tabs = [tab, second];
  for (const app of tabs) {
    await app.list.expectUnread("Launch week", 0);
    await app.expectTotal(0);
  }

  for (const count of [1, 2, 3]) {
    await (count === 2 ? cy : bo).send(other, `news number ${count}`);
    for (const app of tabs) {
      await app.list.expectUnread("Launch week", count);
      await app.expectTotal(count);
    }
  }
  await tab.reload();
  for (const app of tabs) {
    await app.list.expectUnread("Launch week", 3);
    await app.expectTotal(3);
  }

  await tab.list.open("Launch week");
  await tab.header.expectTitle("Launch week");
  for (const app of tabs) {
    await app.list.expectUnread("Launch week", 0);
    await app.expectTotal(0);
  }
  await expect.poll(() => ada.unread(other)).toBe(0);
  await tab.reload();
  await tab.list.expectUnread("Launch week", 0);
});

test("what I write myself and what I watch arrive is never unread", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await bo.send(id, "watch this");
  await a.messages.expectSent("watch this");
  await expect.poll(() => ada.unread(id)).toBe(0);
  await a.composer.send("I do");
  await a.messages.expectSent("I do");
  await a.list.expectUnread(bo.name, 0);
  expect(await ada.unread(id)).toBe(0);
  expect(await bo.unread(id)).toBe(1);
});

test("reading on another device clears the badge here", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "one", "two");
  const a = await world.visit(ada, "/settings");
  await a.list.expectUnread(bo.name, 2);
  await ada.read(id, 1);
  await a.list.expectUnread(bo.name, 1);
  await ada.read(id, 2);
  await a.list.expectUnread(bo.name, 0);
  await a.expectTotal(0);
});

for (const state of ["blurred", "hidden"] as const) {
  test(`nothing counts as read while the window is ${state}`, async ({ world }) => {
    const [ada, bo] = await world.people("Ada", "Bo");
    const id = await ada.direct(bo);
    await bo.send(id, "while nobody looked");
    const a = await world.visit(ada, `/c/${id}`, { before: unattended });
    await attention(a.page, state);
    const more = numbered("later", 5);
    for (const text of more) {
      await bo.send(id, text);
      await a.messages.expectSent(text);
    }
    await a.list.expectUnread(bo.name, 6);
    await a.expectTotal(6);
    expect(await ada.unread(id)).toBe(6);

    await attention(a.page, "here");
    await a.list.expectUnread(bo.name, 0);
    await expect.poll(() => ada.unread(id)).toBe(0);

    await attention(a.page, state);
    await bo.send(id, "and away again");
    await a.messages.expectSent("and away again");
    await a.list.expectUnread(bo.name, 1);
  });
}

test("a line marks where the new messages begin, and stays while the conversation is open", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...numbered("message", 16));
  await ada.read(id, 10);
  const a = await world.visit(ada, `/c/${id}`);
  await expect.poll(() => ada.unread(id)).toBe(0);
  await expect(a.messages.divider).toBeInViewport();
  const line = (await a.messages.divider.boundingBox())!.y;
  expect(await a.messages.top(10)).toBeLessThan(line);
  expect(await a.messages.top(11)).toBeGreaterThan(line - 1);

  await a.page.goto("/settings");
  await a.hydrated();
  await a.list.open(bo.name);
  await a.messages.expectSent("message 16.");
  await expect(a.messages.divider).toHaveCount(0);
});

test("no line without anything new", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await ada.send(id, "mine");
  const a = await world.visit(ada, `/c/${id}`);
  await bo.send(id, "seen at once");
  await a.messages.expectSent("seen at once");
  await expect(a.messages.divider).toHaveCount(0);
});
