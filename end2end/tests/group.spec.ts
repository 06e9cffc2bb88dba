import { expect, test } from "../fixtures";

test("a group is founded with members, grows and is left", async ({ world }) => {
  const [ada, bo, cy, di] = await world.people("Ada", "Bo", "Cy", "Di");
  const b = await world.visit(bo, "/new");
  const a = await world.visit(ada, "/new");
  await a.newConversation.group.click();
  await a.newConversation.choose(bo.name, cy.name);
  await a.newConversation.groupName.fill("Weekend hike");
  await a.newConversation.createGroup.click();
  await a.header.expectTitle("Weekend hike");
  await a.composer.send("who brings the map?");

  await b.list.open("Weekend hike");
  await b.messages.expectSent("who brings the map?");
  await b.composer.send("I do");
  await a.messages.expectSent("I do");

  await a.header.details.click();
  for (const name of ["You", bo.name, cy.name]) await expect(a.details.member(name)).toBeVisible();
  await expect(a.details.member(di.name)).toHaveCount(0);
  const d = await world.visit(di, "/new");
  await a.details.addPeople.click();
  await a.newConversation.choose(di.name);
  await a.newConversation.addPeople.click();
  await a.header.expectTitle("Weekend hike");
  await a.header.details.click();
  await expect(a.details.member(di.name)).toBeVisible();

  await d.list.open("Weekend hike");
  await a.composer.send("welcome!");
  await d.messages.expectSent("welcome!");
  // What was said before she came is not hers to read.
  await expect(d.messages.with("who brings the map?")).toHaveCount(0);
  await d.composer.send("hello all");
  await Promise.all([a, b].map((app) => app.messages.expectSent("hello all")));

  await b.header.details.click();
  await b.details.leaveGroup();
  await expect(b.list.row("Weekend hike")).toHaveCount(0);
  await expect(a.details.member(bo.name)).toHaveCount(0);
  await a.composer.send("he left");
  await d.messages.expectSent("he left");
  expect(await bo.conversations()).toEqual([]);
});

test("somebody removed loses the group at once", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.group("Short visit", bo);
  await ada.send(id, "hello");
  const b = await world.visit(bo, `/c/${id}`);
  await b.messages.expectSent("hello");
  await ada.remove(id, bo);
  await expect(b.list.row("Short visit")).toHaveCount(0);
  await expect(b.composer.field).toHaveCount(0);
  await ada.send(id, "not for him");
  // Anything sent to him would have come before this.
  const direct = await ada.direct(bo);
  await ada.send(direct, "for him");
  await expect(b.list.row(ada.name)).toContainText("for him");
  await expect(b.page.getByText("not for him")).toHaveCount(0);
});
