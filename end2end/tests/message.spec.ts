import { findings } from "../axe";
import { expect, test } from "../fixtures";
import { numbered } from "../text";
import type { World } from "../world";

/** Two people who look at their conversation, with one message of Ada's in it. */
async function two(world: World, text: string) {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await ada.send(id, text);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await Promise.all([a.messages.expectSent(text), b.messages.expectSent(text)]);
  return { ada, bo, id, a, b };
}

test("an edit is seen by both, with what was said before", async ({ world }) => {
  const { ada, id, a, b } = await two(world, "first wrods");
  const message = a.messages.seq(1);
  await a.actions.choose(message, "Edit");
  await expect(a.actions.bar).toContainText("Editing");
  await a.composer.expectText("first wrods");
  await a.composer.field.fill("first words");
  await a.composer.field.press("Enter");
  await a.composer.expectText("");
  for (const app of [a, b]) {
    await expect(app.messages.seq(1)).toContainText("first words");
    await expect(app.messages.seq(1)).not.toContainText("wrods");
    await expect(app.messages.seq(1).getByRole("button", { name: "edited" })).toBeVisible();
  }
  expect(await ada.texts(id)).toEqual(["first words"]);

  await b.messages.seq(1).getByRole("button", { name: "edited" }).click();
  await expect(b.actions.dialog).toContainText("Edit history");
  await expect(b.actions.dialog.getByRole("listitem")).toHaveCount(2);
  await expect(b.actions.dialog.getByRole("listitem").first()).toContainText("first words");
  await expect(b.actions.dialog.getByRole("listitem").last()).toContainText("first wrods");
  expect(await findings(b.page)).toEqual([]);
  await b.page.keyboard.press("Escape");
  await expect(b.actions.dialog).toHaveCount(0);
});

test("ArrowUp edits my last message, Escape leaves it as it was and brings the draft back", async ({ world }) => {
  const { ada, id, a, b } = await two(world, "from Ada");
  await b.composer.send("from Bo");
  await a.messages.expectSent("from Bo");
  await a.composer.field.press("ArrowUp");
  await a.composer.expectText("from Ada");
  await a.composer.field.fill("changed");
  await a.composer.field.press("Escape");
  await expect(a.actions.bar).toHaveCount(0);
  await a.composer.expectText("");
  await expect(a.messages.seq(1)).toContainText("from Ada");

  await a.composer.field.fill("a draft");
  await a.actions.choose(a.messages.seq(1), "Edit");
  await a.composer.expectText("from Ada");
  await a.composer.field.press("Escape");
  await a.composer.expectText("a draft");
  expect(await ada.texts(id)).toEqual(["from Ada", "from Bo"]);
});

test("a message taken back is gone for both", async ({ world }) => {
  const { ada, id, a, b } = await two(world, "a slip of the tongue");
  await a.actions.choose(a.messages.seq(1), "Take back");
  await expect(a.actions.dialog).toContainText("Take this message back?");
  expect(await findings(a.page)).toEqual([]);
  await a.actions.dialog.getByRole("button", { name: "Cancel" }).click();
  await a.messages.expectSent("a slip of the tongue");

  await a.actions.choose(a.messages.seq(1), "Take back");
  await a.actions.dialog.getByRole("button", { name: "Take back" }).click();
  for (const app of [a, b]) {
    await expect(app.messages.seq(1)).toContainText("This message was recalled");
    await expect(app.messages.with("a slip of the tongue")).toHaveCount(0);
    await app.messages.seq(1).hover();
    await expect(app.actions.toolbar(app.messages.seq(1))).toHaveCount(0);
  }
  expect(await ada.texts(id)).toEqual([""]);
});

test("whoever looks after a group may take back what others wrote, a member may not", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.group("Design crit", bo);
  await ada.send(id, "from the owner");
  await bo.send(id, "from a member");
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await b.actions.open(b.messages.with("from the owner"));
  await expect(b.actions.item("Take back")).toHaveCount(0);
  await expect(b.actions.item("Edit")).toHaveCount(0);
  await b.page.keyboard.press("Escape");
  await expect(b.actions.menu).toBeHidden();
  await a.actions.choose(a.messages.with("from a member"), "Take back");
  await a.actions.dialog.getByRole("button", { name: "Take back" }).click();
  await expect(b.messages.with("from a member")).toHaveCount(0);
  await expect(b.messages.with("This message was recalled")).toHaveCount(1);
});

test("an answer quotes the original, follows it and leads to it, however old", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await ada.send(id, "the question");
  const a = await world.visit(ada, `/c/${id}`);
  const b = await world.visit(bo, `/c/${id}`);
  await b.messages.expectSent("the question");
  await b.messages.with("the question").hover();
  await b.actions.toolbar(b.messages.with("the question")).getByRole("button", { name: "Reply" }).click();
  await expect(b.actions.bar).toContainText("the question");
  await expect(b.composer.field).toBeFocused();
  await b.composer.field.press("Escape");
  await expect(b.actions.bar).toHaveCount(0);
  await b.actions.choose(b.messages.with("the question"), "Reply");
  await b.composer.field.fill("the answer");
  await b.composer.field.press("Enter");
  await expect(b.actions.bar).toHaveCount(0);
  for (const app of [a, b]) await expect(app.actions.quote(app.messages.with("the answer"))).toContainText("the question");

  await a.actions.choose(a.messages.seq(1), "Edit");
  await a.composer.field.fill("the better question");
  await a.composer.field.press("Enter");
  for (const app of [a, b]) await expect(app.actions.quote(app.messages.with("the answer"))).toContainText("the better question");

  // The original is then far above what the page has.
  await ada.send(id, ...numbered("between", 120));
  const posted = await bo.ask<{ message: { id: string } }>("POST", `conversations/${id}/messages`, {
    nonce: crypto.randomUUID(),
    body: { kind: "text", text: "late answer" },
    reply_to: (await ada.history(id))[0]!.id,
  });
  expect(posted.message.id).toBeTruthy();
  await b.page.goto(`/c/${id}`);
  await b.hydrated();
  const late = b.messages.with("late answer");
  await expect(b.messages.seq(1)).toHaveCount(0);
  await expect(b.actions.quote(late)).toContainText("the better question");
  await b.actions.quote(late).click();
  await expect(b.messages.seq(1)).toBeInViewport();
  await expect(b.page, "the page stays what it is").toHaveURL(`/c/${id}`);

  await a.page.goto(`/c/${id}`);
  await a.hydrated();
  await a.actions.quote(a.messages.with("late answer")).click();
  await expect(a.messages.seq(1)).toBeInViewport();
  await a.actions.choose(a.messages.seq(1), "Take back");
  await a.actions.dialog.getByRole("button", { name: "Take back" }).click();
  await expect(a.actions.quote(a.messages.with("the answer").first())).toContainText("This message was recalled");
});

test("reactions are counted, named and toggled, live", async ({ world }) => {
  const { bo, id, a, b } = await two(world, "we did it");
  const [mine, hers] = [b.messages.seq(1), a.messages.seq(1)];
  const top = await b.messages.settledTop(1);
  await mine.hover();
  await expect(b.actions.toolbar(mine)).toBeVisible();
  expect(await b.messages.settledTop(1), "the toolbar moves nothing").toBe(top);
  await b.actions.react(mine, "🎉");
  await expect(b.actions.reaction(mine, "🎉")).toHaveAttribute("aria-pressed", "true");
  await expect(a.actions.reaction(hers, "🎉")).toHaveAttribute("aria-pressed", "false");
  await expect(a.actions.reaction(hers, "🎉")).toHaveAccessibleName(`🎉 ${bo.name}`);
  await a.actions.reaction(hers, "🎉").click();
  for (const [app, message] of [
    [a, hers],
    [b, mine],
  ] as const) {
    await expect(app.actions.reaction(message, "🎉")).toContainText("2");
    await expect(app.actions.reaction(message, "🎉")).toHaveAttribute("aria-pressed", "true");
  }
  await a.actions.reaction(hers, "🎉").click();
  await expect(b.actions.reaction(mine, "🎉")).toContainText("1");
  await b.actions.reaction(mine, "🎉").click();
  for (const [app, message] of [
    [a, hers],
    [b, mine],
  ] as const) {
    await expect(app.actions.reaction(message, "🎉")).toHaveCount(0);
  }
  expect((await bo.history(id))[0]).toMatchObject({ reactions: [] });
});

test("an emoji is found by a word, and any other can be typed", async ({ world }) => {
  const { a, b } = await two(world, "ready?");
  const message = a.messages.seq(1);
  await a.actions.openPicker(message);
  await a.actions.emojiSearch.fill("rocket");
  await expect(a.actions.picker.getByRole("button", { name: "🚀" })).toBeVisible();
  expect(await findings(a.page)).toEqual([]);
  await a.actions.emojiSearch.press("Enter");
  await expect(b.actions.reaction(b.messages.seq(1), "🚀")).toBeVisible();
  await a.actions.openPicker(message);
  await a.actions.emojiSearch.fill("🦩");
  await a.actions.emojiSearch.press("Enter");
  await expect(b.actions.reaction(b.messages.seq(1), "🦩")).toBeVisible();

  await a.composer.field.fill("we go!");
  await a.composer.field.press("Home");
  await a.page.getByRole("button", { name: "Emoji" }).click();
  await a.actions.picker.getByRole("button", { name: "👍", exact: true }).first().click();
  await a.composer.expectText("👍we go!");
});

test("pins stand above the messages for both, lead to the message and come off", async ({ world }) => {
  const { ada, id, a, b } = await two(world, "the address is 5 Main Street");
  await expect(a.actions.pins).toHaveCount(0);
  await b.actions.choose(b.messages.seq(1), "Pin");
  for (const app of [a, b]) await expect(app.actions.pins).toContainText("5 Main Street");
  await ada.send(id, ...numbered("later", 120));
  await a.page.goto(`/c/${id}`);
  await a.hydrated();
  await expect(a.messages.seq(1)).toHaveCount(0);
  await a.actions.pins.getByRole("link").click();
  await expect(a.messages.seq(1)).toBeInViewport();

  await b.actions.choose(b.messages.with("later 120."), "Pin");
  await expect(a.actions.pins).toContainText("later 120.");
  await a.actions.pins.getByRole("button", { name: "All pinned messages" }).click();
  await expect(a.actions.dialog.getByRole("listitem")).toHaveCount(2);
  expect(await findings(a.page)).toEqual([]);
  await a.actions.dialog.getByRole("listitem").filter({ hasText: "later 120." }).getByRole("button", { name: "Unpin" }).click();
  await expect(a.actions.dialog.getByRole("listitem")).toHaveCount(1);
  await a.page.keyboard.press("Escape");
  await expect(b.actions.pins).toContainText("5 Main Street");
});

test("text and address of a message are copied", async ({ world }) => {
  const { id, a } = await two(world, "take this with you");
  await a.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const copied = () => a.page.evaluate(() => navigator.clipboard.readText());
  await a.actions.choose(a.messages.seq(1), "Copy text");
  await expect(a.page.getByText("Copied", { exact: true })).toBeVisible();
  expect(await copied()).toBe("take this with you");
  await a.actions.choose(a.messages.seq(1), "Copy link");
  await expect.poll(copied).toBe(new URL(`/c/${id}/m/1`, a.page.url()).href);
});

test("messages are reached by keys, and keys do things with them", async ({ world }) => {
  const { a, b } = await two(world, "one");
  await a.composer.send("two", "three");
  await a.messages.expectSent("two", "three");
  await a.messages.log.focus();
  await a.page.keyboard.press("ArrowUp");
  await expect(a.messages.with("three")).toBeFocused();
  await a.page.keyboard.press("ArrowUp");
  await a.page.keyboard.press("ArrowUp");
  await expect(a.messages.with("one")).toBeFocused();
  await a.page.keyboard.press("ArrowDown");
  await expect(a.messages.with("two")).toBeFocused();
  await expect(a.actions.toolbar(a.messages.with("two"))).toBeVisible();
  await a.page.keyboard.press("Enter");
  await expect(a.actions.item("Reply")).toBeFocused();
  expect(await findings(a.page)).toEqual([]);
  await a.page.keyboard.press("ArrowDown");
  await expect(a.actions.item("React")).toBeFocused();
  await a.page.keyboard.press("Escape");
  await expect(a.actions.menu).toBeHidden();
  await expect(a.messages.with("two"), "the focus is back").toBeFocused();
  await a.page.keyboard.press("e");
  await expect(a.composer.field).toBeFocused();
  await a.composer.expectText("two");
  await a.composer.field.fill("deux");
  await a.composer.field.press("Enter");
  await expect(b.messages.with("deux")).toHaveCount(1);
});

test("on a phone a tap shows what can be done, with room for a finger", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "ok");
  const a = await world.visit(ada, `/c/${id}`, { hasTouch: true, isMobile: true, viewport: { width: 320, height: 640 } });
  await a.messages.with("ok").tap();
  const more = a.actions.toolbar(a.messages.with("ok")).getByRole("button", { name: "More" });
  const box = (await more.boundingBox())!;
  expect(Math.min(box.width, box.height)).toBeGreaterThanOrEqual(40);
  await more.tap();
  await expect(a.actions.item("Copy link")).toBeVisible();
  await a.expectNoSideScroll();
  await a.actions.item("React").tap();
  await expect(a.actions.picker).toBeInViewport({ ratio: 1 });
  await a.actions.picker.getByRole("button", { name: "👍", exact: true }).first().tap();
  await expect(a.actions.reaction(a.messages.with("ok"), "👍")).toBeVisible();
});
