import { expect, test } from "../fixtures";

// Told a few seconds late on purpose, so that a reload does not flicker.
const LATE = { timeout: 20_000 };

test("who comes and goes is seen in the list and above the conversation", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await ada.send(id, "are you there?");
  const a = await world.visit(ada, `/c/${id}`);
  await expect(a.header.about).toHaveText("offline");
  const b = await world.visit(bo, "/");
  await expect(a.header.about).toHaveText("online", LATE);
  await expect(a.list.row(bo.name)).toHaveAccessibleName(/online/);
  await expect(b.list.row(ada.name)).toHaveAccessibleName(/online/, LATE);
  await b.page.context().close();
  await expect(a.header.about).toHaveText(/^last seen/, LATE);
  await expect(a.list.row(bo.name)).not.toHaveAccessibleName(/online/);
});

test("a group says how many are here, and who", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Watch", bo, cy);
  const a = await world.visit(ada, `/c/${id}`);
  await world.visit(bo, "/");
  await expect(a.header.about).toHaveText("3 members · 2 online", LATE);
  await a.header.details.click();
  await expect(a.details.member(bo.name)).toContainText("online");
  await expect(a.details.member(cy.name)).not.toContainText("online");
});

test("who is writing is seen, and no longer once the message is there", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [direct, group] = [await ada.direct(bo), await ada.group("Writers", bo, cy)];
  await bo.send(direct, "hello");
  const a = await world.visit(ada, `/c/${direct}`);
  const b = await world.visit(bo, `/c/${direct}`);
  const place = (await a.composer.field.boundingBox())!.y;
  await b.composer.field.pressSequentially("I am just");
  await expect(a.page.getByText(`${bo.name} is typing…`)).toBeVisible();
  await expect(a.list.row(bo.name)).toContainText("typing…");
  expect((await a.composer.field.boundingBox())!.y, "nothing moves").toBe(place);
  await expect(b.page.getByText("typing…"), "not to oneself").toHaveCount(0);
  await b.composer.send("I am just here");
  await a.messages.expectSent("I am just here");
  await expect(a.page.getByText(`${bo.name} is typing…`)).toHaveCount(0);
  await expect(a.list.row(bo.name)).toContainText("I am just here");

  await a.page.goto(`/c/${group}`);
  await a.hydrated();
  await a.expectLive();
  await b.list.open("Writers");
  const c = await world.visit(cy, `/c/${group}`);
  await c.expectLive();
  await b.composer.field.pressSequentially("one");
  await c.composer.field.pressSequentially("two");
  const both = new RegExp(`(${bo.name} and ${cy.name}|${cy.name} and ${bo.name}) are typing…`);
  await expect(a.page.getByRole("main").getByText(both)).toBeVisible();
});
