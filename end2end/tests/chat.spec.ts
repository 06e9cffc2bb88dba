import { expect, test } from "../fixtures";
import { numbered } from "../text";

const SCRIPTS = {
  chinese: "你好,世界!明天下午三点见",
  emoji: "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🎉",
  hebrew: "שלום עולם, מה שלומך היום",
  arabic: "مرحبا، أراك غدا في الثالثة",
  mixed: "see שלום and 世界 at 3",
};

test("two people write to each other in every script", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await a.header.expectTitle(bo.name);
  await b.header.expectTitle(ada.name);

  const texts = Object.values(SCRIPTS);
  for (const text of texts) {
    await a.composer.send(text);
    await Promise.all([a.messages.expectSent(text), b.messages.expectSent(text)]);
    await b.composer.send(`re: ${text}`);
    await Promise.all([a.messages.expectSent(`re: ${text}`), b.messages.expectSent(`re: ${text}`)]);
  }
  expect(await ada.texts(id)).toEqual(texts.flatMap((text) => [text, `re: ${text}`]));

  const direction = (text: string) => b.messages.log.getByText(text, { exact: true }).evaluate((element) => getComputedStyle(element).direction);
  expect(await direction(SCRIPTS.hebrew)).toBe("rtl");
  expect(await direction(SCRIPTS.arabic)).toBe("rtl");
  expect(await direction(SCRIPTS.chinese)).toBe("ltr");
});

test("a group hears everybody at once", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("读书会 📚", bo, cy);
  const apps = await Promise.all([ada, bo, cy].map((person) => world.visit(person, `/c/${id}`)));
  const texts = ["第三章 is next", "ממש טוב", "👏👏"];
  for (const [index, app] of apps.entries()) {
    await app.header.expectTitle("读书会 📚");
    await app.composer.send(texts[index]!);
    await Promise.all(apps.map((other) => other.messages.expectSent(texts[index]!)));
  }
  // Who wrote it stands at the messages of the others.
  await expect(apps[2]!.messages.with(texts[0]!)).toContainText(ada.name);
});

test("a new conversation appears in the other's list by itself", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const b = await world.visit(bo, "/new");
  const id = await ada.direct(bo);
  await ada.send(id, "are you there?");
  await expect(b.list.row(ada.name)).toContainText("are you there?");
  await b.list.expectUnread(ada.name, 1);
  await b.list.open(ada.name);
  await expect(b.page).toHaveURL(`/c/${id}`);
  await b.messages.expectSent("are you there?");
});

test("a direct conversation is found by a person's name and opened once", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const a = await world.visit(ada, "/");
  await a.list.newConversation.click();
  await expect(a.page).toHaveURL("/new");
  await a.newConversation.search.fill(bo.name);
  await a.newConversation.person(bo.name).click();
  await a.header.expectTitle(bo.name);
  await a.composer.send("hello");
  await a.messages.expectSent("hello");

  const b = await world.visit(bo, "/new");
  await b.newConversation.search.fill(ada.username);
  await b.newConversation.person(ada.name).click();
  await b.messages.expectSent("hello");
  expect(await ada.conversations()).toHaveLength(1);
});

test("a hundred messages from both sides at once stand in the same order", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  const [hers, his] = [numbered("hers", 50), numbered("his", 50)];
  await Promise.all([a.composer.sendQuickly(...hers), b.composer.sendQuickly(...his)]);
  await Promise.all([a, b].map((app) => expect(app.messages.in("sent")).toHaveCount(100)));

  const all = [...hers, ...his];
  const order = await a.messages.order(all);
  expect(await b.messages.order(all)).toEqual(order);
  expect(await ada.texts(id)).toEqual(order);
  // Each one's own messages keep the order they were written in.
  expect(order.filter((text) => text.startsWith("hers"))).toEqual(hers);
  expect(order.filter((text) => text.startsWith("his"))).toEqual(his);
  expect(await a.messages.seqs()).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
});

test("what people write is text, never a part of the page", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "<b id=x>Bo</b>");
  const id = await ada.direct(bo);
  const attack = `<img src=x onerror="alert(1)"><script>alert(2)</script>`;
  await ada.send(id, attack, "[press](javascript:alert(3))");
  const a = await world.visit(ada, `/c/${id}`);
  await a.header.expectTitle(bo.name);
  await a.messages.expectSent(attack);
  await a.composer.send(attack);
  await expect(a.messages.with(attack)).toHaveCount(2);
  await expect(a.page.locator("img[src=x], #x, [onerror], a[href^=javascript]")).toHaveCount(0);
});

test("the list shows the newest conversation first, with its last message", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [first, second] = [await ada.direct(bo), await ada.direct(cy)];
  await bo.send(first, "older");
  await cy.send(second, "newer");
  const a = await world.visit(ada, "/settings");
  await expect(a.list.rows).toHaveCount(2);
  await expect(a.list.rows.first()).toContainText(cy.name);
  await bo.send(first, "newest of all");
  await expect(a.list.rows.first()).toContainText(bo.name);
  await expect(a.list.rows.first()).toContainText("newest of all");
});
