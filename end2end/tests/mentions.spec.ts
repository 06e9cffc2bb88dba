import { findings } from "../axe";
import { expect, test } from "../fixtures";

test("an @ offers the members, and the named one sees it", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Design crit", bo, cy);
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await a.composer.field.pressSequentially("hi @");
  await expect(a.actions.mentions.getByRole("option")).toHaveCount(3);
  await expect(a.actions.mentions, "not myself").not.toContainText(ada.name);
  expect(await findings(a.page)).toEqual([]);
  await a.composer.field.pressSequentially("bo");
  await expect(a.actions.mentions.getByRole("option")).toHaveCount(1);
  await expect(a.actions.option(bo.name)).toHaveAttribute("aria-selected", "true");
  await a.composer.field.press("Enter");
  await expect(a.actions.mentions).toBeHidden();
  await a.composer.expectText(`hi @${bo.username} `);
  await a.composer.field.pressSequentially("look");
  await a.composer.field.press("Enter");
  const text = `hi @${bo.username} look`;
  await Promise.all([a.messages.expectSent(text), b.messages.expectSent(text)]);
  await expect(b.messages.with(text).locator(".mention.me")).toHaveText(`@${bo.username}`);
  await expect(b.messages.with(text)).toHaveClass(/names-me/);
  await expect(a.messages.with(text).locator(".mention")).toHaveText(`@${bo.username}`);
  await expect(a.messages.with(text)).not.toHaveClass(/names-me/);
  expect(await findings(b.page)).toEqual([]);
});

test("keys walk over the offered names, Escape leaves the words alone", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Design crit", bo, cy);
  const a = await world.visit(ada, `/c/${id}`);
  await a.composer.field.pressSequentially("@");
  const options = a.actions.mentions.getByRole("option");
  await expect(options.nth(0)).toHaveAttribute("aria-selected", "true");
  await a.composer.field.press("ArrowDown");
  await expect(options.nth(1)).toHaveAttribute("aria-selected", "true");
  await expect(a.composer.field).toHaveAttribute("aria-activedescendant", (await options.nth(1).getAttribute("id"))!);
  await a.composer.field.press("ArrowUp");
  await a.composer.field.press("ArrowUp");
  await expect(options.nth(2)).toHaveAttribute("aria-selected", "true");
  await expect(options.nth(2)).toContainText("Everybody in the group");
  await a.composer.field.press("Tab");
  await a.composer.expectText("@all ");
  await a.composer.field.pressSequentially("@cy");
  await expect(options).toHaveCount(1);
  await a.composer.field.press("Escape");
  await expect(a.actions.mentions).toBeHidden();
  await a.composer.expectText("@all @cy");
  await expect(a.composer.field).toBeFocused();
});

test("@all names everybody in a group, words that only look like names nobody", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Design crit", bo, cy);
  const [b, c] = await Promise.all([world.visit(bo, `/c/${id}`), world.visit(cy, `/c/${id}`)]);
  await ada.send(id, "@all lunch", `mail ${bo.username}@example.org and @nobody-at-all`);
  for (const app of [b, c]) {
    await expect(app.messages.with("lunch").locator(".mention.me")).toHaveText("@all");
    await app.messages.expectSent("@nobody-at-all");
    await expect(app.messages.with("@nobody-at-all").locator(".mention")).toHaveCount(0);
  }
});
