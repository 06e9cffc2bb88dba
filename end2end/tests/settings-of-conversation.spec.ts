import { findings } from "../axe";
import { expect, test } from "../fixtures";
import type { Person } from "../person";
import type { World } from "../world";

/** Two devices of one person, the first at `path`. */
async function devices(world: World, person: Person, path: string) {
  const first = await world.visit(person, path);
  const second = await world.visit(person, "/settings", { cookie: await person.signIn() });
  await first.expectLive();
  await second.expectLive();
  return [first, second] as const;
}

test("a muted conversation counts without calling", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Noisy", bo, cy);
  const [one, two] = await devices(world, ada, `/c/${id}`);
  await one.menu.open();
  expect(await findings(one.page)).toEqual([]);
  await one.page.keyboard.press("Escape");
  await expect(one.menu.root).toBeHidden();
  await one.menu.choose("Mute until I unmute");
  await expect(two.list.row("Noisy")).toHaveAccessibleName(/Muted/);
  await one.page.goto("/settings");
  await one.hydrated();
  await bo.send(id, "noise");
  for (const app of [one, two]) {
    await app.list.expectUnread("Noisy", 1);
    await app.expectTotal(0);
  }
  await bo.send(id, `@${ada.username} but this is for you`);
  for (const app of [one, two]) {
    await app.list.expectUnread("Noisy", 2);
    await expect(app.list.row("Noisy")).toHaveAccessibleName(/names you/);
    await app.expectTotal(1);
  }
  await two.menu.choose("Unmute", two.list.row("Noisy"));
  for (const app of [one, two]) {
    await expect(app.list.row("Noisy")).not.toHaveAccessibleName(/Muted/);
    await app.expectTotal(2);
  }
});

test("a pinned conversation stands first on every device", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const [older, newer] = [await ada.group("Older", bo), await ada.group("Newer", bo)];
  await ada.send(older, "one");
  await ada.send(newer, "two");
  const [one, two] = await devices(world, ada, "/settings");
  await expect.poll(() => two.list.names()).toEqual(["Newer", "Older"]);
  await one.menu.choose("Pin to top", one.list.row("Older"));
  for (const app of [one, two]) await expect.poll(() => app.list.names()).toEqual(["Older", "Newer"]);
  await ada.send(newer, "three");
  await expect(two.list.row("Newer")).toContainText("three");
  expect(await two.list.names()).toEqual(["Older", "Newer"]);
  await one.reload();
  expect(await one.list.names()).toEqual(["Older", "Newer"]);
  await one.menu.choose("Unpin from top", one.list.row("Older"));
  await expect.poll(() => two.list.names()).toEqual(["Newer", "Older"]);
});

test("an archived conversation is out of the way until something comes", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [direct, other] = [await ada.direct(bo), await ada.group("Stays", cy)];
  await ada.send(direct, "done");
  await ada.send(other, "still going");
  const [one, two] = await devices(world, ada, "/settings");
  await one.menu.choose("Archive", one.list.row(bo.name));
  for (const app of [one, two]) {
    await expect.poll(() => app.list.names()).toEqual(["Stays"]);
    await expect(app.list.row(bo.name)).toBeHidden();
    await app.list.archived.click();
    await expect(app.list.row(bo.name)).toBeVisible();
  }
  await one.list.filter.fill(bo.name);
  await expect(one.list.row(bo.name)).toBeVisible();
  await one.list.filter.fill("");
  await bo.send(direct, "one more thing");
  for (const app of [one, two]) {
    await expect.poll(() => app.list.names()).toEqual([bo.name, "Stays"]);
    await app.list.expectUnread(bo.name, 1);
    await expect(app.list.archived).toBeHidden();
  }
});

test("what is marked as unread stays so until it is read again", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "for later");
  const [one, two] = await devices(world, ada, `/c/${id}`);
  for (const app of [one, two]) await app.list.expectUnread(bo.name, 0);
  await one.menu.choose("Mark as unread");
  for (const app of [one, two]) {
    await app.list.expectUnread(bo.name, 1);
    await app.expectTotal(1);
  }
  expect(await ada.unread(id)).toBe(1);
  await one.page.goto("/settings");
  await one.hydrated();
  await one.list.expectUnread(bo.name, 1);
  await two.list.open(bo.name);
  for (const app of [one, two]) await app.list.expectUnread(bo.name, 0);
  await expect.poll(() => ada.unread(id)).toBe(0);
});

test("words begun on one device are there on the other", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "what do you think?");
  const [one, two] = await devices(world, ada, `/c/${id}`);
  await one.composer.field.pressSequentially("I think that");
  // Off to the other device.
  await one.composer.field.blur();
  await expect(two.list.row(bo.name)).toContainText("Draft: I think that");
  await two.list.open(bo.name);
  await two.composer.expectText("I think that");
  await two.composer.send("I think that we should");
  await one.messages.expectSent("I think that we should");
  await one.composer.expectText("");
  await one.page.goto("/settings");
  await one.hydrated();
  await expect(one.list.row(bo.name)).not.toContainText("Draft");
});
