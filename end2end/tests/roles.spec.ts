import { findings } from "../axe";
import { expect, test } from "../fixtures";

test("the owner gives and takes roles, and everybody sees it", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("Committee", bo, cy);
  await ada.send(id, "welcome");
  const a = await world.visit(ada, `/c/${id}`, { reducedMotion: "reduce" });
  const b = await world.visit(bo, `/c/${id}`);
  await Promise.all([a.expectLive(), b.expectLive()]);
  for (const app of [a, b]) await app.header.details.click();
  await expect(b.details.root.getByRole("button", { name: /^Manage/ })).toHaveCount(0);

  await a.details.manage(bo.name);
  expect(await findings(a.page)).toEqual([]);
  await a.page.keyboard.press("Escape");
  await a.details.choose(bo.name, "Make admin");
  for (const app of [a, b]) await expect(app.details.root.getByText("admin", { exact: true })).toBeVisible();
  await expect(a.messages.line(`You made ${bo.name} an admin`)).toBeVisible();
  await expect(b.messages.line(`${ada.name} made you an admin`)).toBeVisible();

  await b.details.choose(cy.name, "Remove from group");
  await expect(a.details.member(cy.name)).toHaveCount(0);
  await expect(a.messages.line(`${bo.name} removed ${cy.name}`)).toBeVisible();

  await a.details.choose(bo.name, "Take the admin role");
  await expect(b.details.root.getByText("admin", { exact: true })).toHaveCount(0);
  // What happened is there after a reload too, in the same place.
  await a.reload();
  await expect(a.messages.line(`You made ${bo.name} an admin`)).toBeVisible();
});

test("the owner hands the group over before leaving it", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.group("Estate", bo);
  await ada.send(id, "to whom?");
  const a = await world.visit(ada, `/c/${id}`, { reducedMotion: "reduce" });
  const b = await world.visit(bo, `/c/${id}`);
  await Promise.all([a.expectLive(), b.expectLive()]);
  await a.menu.choose("Leave group");
  await expect(a.details.dialog).toContainText("Hand it over to somebody before you leave.");
  await expect(a.details.dialog.getByRole("button", { name: "Leave group" })).toBeHidden();
  expect(await findings(a.page)).toEqual([]);
  await a.details.dialog.getByRole("button", { name: bo.name }).click();
  await expect(a.details.dialog).toContainText(`${bo.name} becomes the owner`);
  expect(await findings(a.page)).toEqual([]);
  await a.details.dialog.getByRole("button", { name: "Hand the group over" }).click();
  for (const [app, line] of [
    [a, `You made ${bo.name} the owner`],
    [b, `${ada.name} made you the owner`],
  ] as const) {
    await expect(app.messages.line(line)).toBeVisible();
  }
  await a.menu.choose("Leave group");
  await a.details.dialog.getByRole("button", { name: "Leave group" }).click();
  await expect(a.list.row("Estate")).toHaveCount(0);
  await expect(b.messages.line(`${ada.name} left`)).toBeVisible();
  // The last one may go.
  await b.header.details.click();
  await b.details.leaveGroup();
  await expect(b.list.row("Estate")).toHaveCount(0);
});

test("in a group too large to carry its members roles and names work as in a small one", async ({ world }) => {
  const [ada, bo, stranger] = await world.people("Ada", "Bo", "Bob");
  const crowd = await world.people(...Array.from({ length: 50 }, () => "Extra"));
  const id = await ada.group("Assembly", bo, ...crowd);
  expect((await ada.conversation(id)).members).toEqual([]);
  await ada.send(id, "from the owner");
  await bo.send(id, "from a member");
  const [a, b] = await Promise.all([world.visit(ada, `/c/${id}`), world.visit(bo, `/c/${id}`)]);
  await Promise.all([a.expectLive(), b.expectLive()]);

  await a.composer.field.pressSequentially("@bo");
  await expect(a.actions.option(bo.name)).toBeVisible();
  await expect(a.actions.option(stranger.name), "not a member").toHaveCount(0);
  await a.composer.field.press("Escape");
  await a.composer.field.fill("");

  await b.actions.open(b.messages.with("from the owner"));
  await expect(b.actions.item("Take back")).toHaveCount(0);
  await b.page.keyboard.press("Escape");
  await expect(b.actions.menu).toBeHidden();
  await ada.ask("PATCH", `conversations/${id}/members/${bo.id}`, { role: "admin" });
  await expect(b.messages.line(`${ada.name} made you an admin`)).toBeVisible();
  await expect(async () => {
    await b.actions.open(b.messages.with("from the owner"));
    const may = await b.actions.item("Take back").count();
    await b.page.keyboard.press("Escape");
    expect(may).toBe(1);
  }).toPass();
  await a.actions.choose(a.messages.with("from a member"), "Take back");
  await a.actions.dialog.getByRole("button", { name: "Take back" }).click();
  await expect(b.messages.with("from a member")).toHaveCount(0);
});

test("an open group is found, joined and closed again", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const title = `Garden ${ada.name}`;
  const a = await world.visit(ada, "/new?kind=group", { reducedMotion: "reduce" });
  await a.newConversation.anyone.check();
  await a.newConversation.everything.check();
  await a.newConversation.groupName.fill(title);
  expect(await findings(a.page)).toEqual([]);
  await a.newConversation.createGroup.click();
  await a.header.expectTitle(title);
  await a.composer.send("before anybody came");

  const b = await world.visit(bo, "/new");
  await b.newConversation.findGroup.click();
  await b.newConversation.searchGroups.fill(title);
  await expect(b.newConversation.join(title)).toBeVisible();
  expect(await findings(b.page)).toEqual([]);
  await b.newConversation.join(title).click();
  await b.header.expectTitle(title);
  await b.messages.expectSent("before anybody came");
  await expect(a.messages.line(`${bo.name} joined`)).toBeVisible();

  await a.header.details.click();
  await a.details.root.getByRole("switch", { name: "Anyone can find and join" }).uncheck();
  await expect(b.messages.line(`${ada.name} changed the group: private`)).toBeVisible();
  const c = await world.visit(cy, `/new?kind=find&q=${encodeURIComponent(title)}`);
  await expect(c.page.getByText("No open group found.")).toBeVisible();
});

test("without script: an open group is found and joined", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const title = `Plain ${ada.name}`;
  await ada.ask("POST", "conversations", { kind: "group", title, members: [], public: true, history: "all" });
  const b = await world.visit(bo, "/new?kind=find", { javaScriptEnabled: false });
  await b.newConversation.searchGroups.fill(title);
  await b.newConversation.searchGroups.press("Enter");
  await b.newConversation.join(title).click();
  await b.header.expectTitle(title);
});
