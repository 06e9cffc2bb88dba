import { attention, unattended } from "../attention";
import { Ear } from "../ear";
import { expect, test } from "../fixtures";
import { App } from "../pages/app";
import type { Person } from "../person";
import { numbered } from "../text";
import type { VisitOptions, World } from "../world";

/** A browser that can be heard, at `path`; somebody touched it. */
async function listen(world: World, person: Person, path: string, { touched = true, ...options }: VisitOptions & { touched?: boolean } = {}) {
  const page = await world.page(person, options);
  const [app, ear] = [new App(page), await Ear.at(page)];
  await page.goto(path);
  await app.hydrated();
  await app.expectLive();
  if (touched) await ear.gesture();
  return [app, ear] as const;
}

test("it sounds for another conversation, not for the open one and not for what I write", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [open, other] = [await ada.direct(bo), await ada.group("Elsewhere", cy)];
  await cy.send(other, "before the page was there");
  const [a, ear] = await listen(world, ada, `/c/${open}`);
  await a.list.expectUnread("Elsewhere", 1);
  await ear.expectSounds(0);

  await bo.send(open, "in front of me");
  await a.messages.expectSent("in front of me");
  await ear.expectSounds(0);

  await cy.send(other, "news");
  await a.list.expectUnread("Elsewhere", 2);
  await ear.expectSounds(1);

  await ada.send(other, "mine, from my other device");
  await expect(a.list.row("Elsewhere")).toContainText("mine, from my other device");
  await ear.expectSounds(1);

  // What begins is news, too.
  const first = await cy.direct(ada);
  await cy.send(first, "we have not met");
  await a.list.expectUnread(cy.name, 1);
  await ear.expectSounds(2);
});

test("many messages at once sound once", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [one, two] = [await ada.direct(bo), await ada.direct(cy)];
  const [a, ear] = await listen(world, ada, "/new");
  // Faster than the two seconds between sounds: the clock of the page stands still.
  await a.page.clock.pauseAt(Date.now() + 5_000);
  await Promise.all([bo.send(one, ...numbered("one", 5)), cy.send(two, ...numbered("two", 5))]);
  await a.list.expectUnread(bo.name, 5);
  await a.list.expectUnread(cy.name, 5);
  await a.page.clock.runFor(1_000);
  await bo.send(one, "a second later");
  await a.list.expectUnread(bo.name, 6);
  await a.page.clock.runFor(500);
  await expect.poll(() => ear.sounds()).toBe(1);
  await a.page.clock.resume();
  await ear.expectSounds(1);
});

test("beside the list a conversation is open at the address / too, but not on a phone", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, ear] = await listen(world, ada, "/");
  const [phone, inPocket] = await listen(world, ada, "/", { cookie: await ada.signIn(), viewport: { width: 390, height: 844 } });
  await bo.send(id, "on the screen of one");
  await a.messages.expectSent("on the screen of one");
  await inPocket.expectSounds(1);
  await ear.expectSounds(0);
  await expect(phone.list.row(bo.name)).toContainText("on the screen of one");
});

for (const state of ["blurred", "hidden"] as const) {
  test(`the open conversation sounds while the window is ${state}`, async ({ world }) => {
    const [ada, bo] = await world.people("Ada", "Bo");
    const id = await ada.direct(bo);
    const [a, ear] = await listen(world, ada, `/c/${id}`, { before: unattended });
    await attention(a.page, "here");
    await bo.send(id, "seen");
    await a.messages.expectSent("seen");
    await ear.expectSounds(0);
    await attention(a.page, state);
    await bo.send(id, "not seen");
    await a.messages.expectSent("not seen");
    await ear.expectSounds(1);
  });
}

test("a muted conversation is silent, also for what names me", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Noisy", bo, cy);
  const [a, ear] = await listen(world, ada, "/new");
  await a.menu.choose("Mute until I unmute", a.list.row("Noisy"));
  await expect(a.list.row("Noisy")).toHaveAccessibleName(/Muted/);
  await bo.send(id, "noise", `@${ada.username} and more of it`);
  await a.list.expectUnread("Noisy", 2);
  await ear.expectSounds(0);
  await a.menu.choose("Unmute", a.list.row("Noisy"));
  await expect(a.list.row("Noisy")).not.toHaveAccessibleName(/Muted/);
  await bo.send(id, "music");
  await a.list.expectUnread("Noisy", 3);
  await ear.expectSounds(1);
});

test("switched off it stays off on this device, after a reload too", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, ear] = await listen(world, ada, "/settings");
  const [, other] = await listen(world, ada, "/new", { cookie: await ada.signIn() });
  await expect(a.settings.sound).toBeChecked();
  await a.settings.sound.focus();
  await a.page.keyboard.press("Space");
  await expect(a.settings.sound).not.toBeChecked();
  await bo.send(id, "one");
  await a.list.expectUnread(bo.name, 1);
  await other.expectSounds(1);
  await ear.expectSounds(0);

  await a.reload();
  await a.expectLive();
  await expect(a.settings.sound).not.toBeChecked();
  await a.page.keyboard.press("Shift");
  await bo.send(id, "two");
  await a.list.expectUnread(bo.name, 2);
  await ear.expectSounds(0);
  expect(await ear.contexts()).toBe(0);

  await a.settings.sound.click();
  await expect(a.settings.sound).toBeChecked();
  await ear.gesture();
  await bo.send(id, "three");
  await a.list.expectUnread(bo.name, 3);
  await ear.expectSounds(1);
});

test("before the first gesture it is silent", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const [a, ear] = await listen(world, ada, "/new", { touched: false });
  await bo.send(id, "hello?");
  await a.list.expectUnread(bo.name, 1);
  await ear.expectSounds(0);
  expect(await ear.contexts()).toBe(0);
  await ear.gesture();
  await ear.expectSounds(0);
});

test("what was missed is caught up without a sound", async ({ world, guard }) => {
  guard.announceOutage();
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const wire = await world.wire();
  const [a, ear] = await listen(world, ada, "/new", { through: wire });
  await a.page.context().setOffline(true);
  wire.cut();
  await a.expectAway();
  await bo.send(id, ...numbered("missed", 3));
  wire.mend();
  await a.page.context().setOffline(false);
  await a.expectLive();
  await a.list.expectUnread(bo.name, 3);
  await ear.expectSounds(0);
  await bo.send(id, "live");
  await a.list.expectUnread(bo.name, 4);
  await ear.expectSounds(1);
});

test("of two tabs one sounds, and none while one shows the message", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [id, other] = [await ada.direct(bo), await ada.direct(cy)];
  const [a, ear] = await listen(world, ada, `/c/${id}`);
  const second = await a.secondTab("/settings");
  await second.expectLive();
  await ear.gesture(second.page);
  await bo.send(id, "seen in the first");
  for (const app of [a, second]) await expect(app.list.row(bo.name)).toContainText("seen in the first");
  await ear.expectSounds(0);
  await cy.send(other, "news for both");
  for (const app of [a, second]) await app.list.expectUnread(cy.name, 1);
  await ear.expectSounds(1);
});
