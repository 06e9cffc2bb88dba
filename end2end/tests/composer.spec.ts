import { expect, test } from "../fixtures";

test("Shift+Enter breaks the line, Enter sends", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  const height = (await a.composer.field.boundingBox())!.height;
  await a.composer.field.pressSequentially("first");
  await a.composer.field.press("Shift+Enter");
  await a.composer.field.pressSequentially("second");
  await a.composer.expectText("first\nsecond");
  expect((await a.composer.field.boundingBox())!.height, "grows with its text").toBeGreaterThan(height);
  await expect(a.messages.all).toHaveCount(0);
  await a.composer.field.press("Enter");
  await a.composer.expectText("");
  await expect(a.messages.in("sent")).toHaveCount(1);
  expect(await ada.texts(id)).toEqual(["first\nsecond"]);
  expect((await a.composer.field.boundingBox())!.height, "and shrinks again").toBeCloseTo(height, 0);
});

test("nothing is sent from an empty field or one with white space only", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await a.composer.field.press("Enter");
  await a.composer.field.fill("  \n ");
  await a.composer.field.press("Enter");
  await a.composer.send("something");
  await a.messages.expectSent("something");
  await expect(a.messages.all).toHaveCount(1);
  expect(await ada.texts(id)).toEqual(["something"]);
});

test("Enter while composing chooses a candidate and sends nothing", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await a.composer.field.click();
  const keys = await a.page.context().newCDPSession(a.page);
  const enter = { windowsVirtualKeyCode: 229, code: "Enter", key: "Process" };
  await keys.send("Input.imeSetComposition", { text: "nihao", selectionStart: 5, selectionEnd: 5 });
  await keys.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
  // Some input methods pass the key's own name on and only say that a composition is under way.
  await a.composer.field.dispatchEvent("keydown", { key: "Enter", code: "Enter", keyCode: 13, isComposing: true, cancelable: true });
  await keys.send("Input.insertText", { text: "你好" });
  await a.composer.expectText("你好");
  await expect(a.messages.all).toHaveCount(0);
  await a.composer.field.press("Enter");
  await a.messages.expectSent("你好");
  expect(await ada.texts(id)).toEqual(["你好"]);
});

test("each conversation keeps its own draft, through a reload", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [first, second] = [await ada.direct(bo), await ada.direct(cy)];
  const a = await world.visit(ada, `/c/${first}`);
  await a.composer.field.fill("a draft for Bo");
  await a.list.open(cy.name);
  await a.header.expectTitle(cy.name);
  await a.composer.expectText("");
  await a.composer.field.fill("草稿");
  await a.list.open(bo.name);
  await a.header.expectTitle(bo.name);
  await a.composer.expectText("a draft for Bo");
  await a.reload();
  await a.composer.expectText("a draft for Bo");
  await a.composer.field.press("Enter");
  await a.messages.expectSent("a draft for Bo");
  await a.reload();
  await a.composer.expectText("");
  await a.page.goto(`/c/${second}`);
  await a.hydrated();
  await a.composer.expectText("草稿");
});

test("a text over the limit is not sent; one at the limit is", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  const limit = "字".repeat(16_000);
  await a.composer.field.fill(`${limit}!`);
  await a.composer.field.press("Enter");
  await expect(a.page.getByText("1 too many")).toBeVisible();
  await a.composer.sendButton.click();
  await a.composer.expectText(`${limit}!`);
  await expect(a.messages.all).toHaveCount(0);
  await a.composer.send(limit);
  await expect(a.messages.in("sent")).toHaveCount(1);
  expect(await bo.texts(id)).toEqual([limit]);
});

test("the Send button sends", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await a.composer.field.fill("by the button");
  await a.composer.sendButton.click();
  await a.messages.expectSent("by the button");
  await a.composer.expectText("");
  await expect(a.composer.field).toBeFocused();
});
