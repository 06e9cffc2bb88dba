import { expect, test } from "../fixtures";
import { Person } from "../person";

// Everything here works as plain HTML forms.
const plain = { javaScriptEnabled: false };

test("without script: register, sign out, sign in", async ({ world }) => {
  const [username, name] = Person.names("Mei");
  const app = await world.visit(null, "/register", plain);
  await app.register.as(username, name, "a long enough password");
  await expect(app.list.newConversation).toBeVisible();
  await app.page.goto("/settings");
  await app.settings.signOut.click();
  await expect(app.page).toHaveURL(/\/sign-in/);
  await app.signIn.as(username, "something else");
  await expect(app.signIn.error).toBeVisible();
  await app.signIn.as(username, "a long enough password");
  await expect(app.list.newConversation).toBeVisible();
});

test("without script: read, send, and send once however often the form is sent", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "你好", "second line");
  const a = await world.visit(ada, "/settings", plain);
  await a.list.expectUnread(bo.name, 2);
  await a.list.open(bo.name);
  await a.header.expectTitle(bo.name);
  await a.messages.expectSent("你好", "second line");
  await a.composer.field.fill("no script needed");
  await a.composer.sendButton.click();
  await a.messages.expectSent("no script needed");
  await a.composer.expectText("");
  await a.page.reload();
  await a.messages.expectSent("no script needed");
  expect(await bo.texts(id)).toEqual(["你好", "second line", "no script needed"]);
});

test("without script: what was read is marked as read", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "one", "two");
  const a = await world.visit(ada, `/c/${id}`, plain);
  await a.list.expectUnread(bo.name, 2);
  await a.page.getByRole("button", { name: "Mark as read" }).click();
  await a.list.expectUnread(bo.name, 0);
  expect(await ada.unread(id)).toBe(0);
});

test("without script: older messages are a link away", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...Array.from({ length: 70 }, (_, index) => `page by page ${index + 1}.`));
  const a = await world.visit(ada, `/c/${id}`, plain);
  await a.messages.expectSent("page by page 70.");
  await a.page.getByRole("link", { name: "Earlier messages" }).click();
  await a.messages.expectSent("page by page 1.");
});

test("without script: a direct conversation and a group", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const a = await world.visit(ada, "/new", plain);
  await a.newConversation.search.fill(bo.name);
  await a.newConversation.search.press("Enter");
  await a.newConversation.person(bo.name).click();
  await a.header.expectTitle(bo.name);

  await a.page.goto("/new");
  await a.newConversation.group.click();
  await a.newConversation.search.fill(cy.name);
  await a.newConversation.search.press("Enter");
  await a.newConversation.choice(cy.name).check();
  await a.newConversation.groupName.fill("Plain group");
  await a.newConversation.createGroup.click();
  await a.header.expectTitle("Plain group");
  const group = (await cy.conversations())[0]!;
  expect(group.title).toBe("Plain group");
  expect(group.members.map((member) => member.user).sort()).toEqual([ada.id, cy.id].sort());
});
