import { expect, test } from "../fixtures";
import { App } from "../pages/app";
import { Person } from "../person";

const PASSWORD = "a long enough password";

test("a person registers, signs out and signs in again", async ({ world }) => {
  const [username, name] = Person.names("Noor");
  const app = await world.visit(null, "/register");
  await app.register.as(username, name, PASSWORD);
  await expect(app.list.root).toBeVisible();
  await expect(app.list.newConversation).toBeVisible();

  await app.page.goto("/settings");
  await app.hydrated();
  await expect(app.settings.displayName).toHaveValue(name);
  await app.settings.signOut.click();
  await expect(app.page).toHaveURL(/\/sign-in/);

  await app.hydrated();
  await app.signIn.as(username.toUpperCase(), PASSWORD);
  await expect(app.list.root).toBeVisible();
});

test("a wrong password is told, and is the same for an unknown name", async ({ world }) => {
  const [ada] = await world.people("Ada");
  const app = await world.visit(null, "/sign-in");
  await app.signIn.as(ada.username, "not her password");
  await expect(app.signIn.error).toBeVisible();
  const told = await app.signIn.error.innerText();
  await expect(app.signIn.username).toHaveValue(ada.username);
  await expect(app.signIn.password).toHaveValue("");
  await app.hydrated();
  await app.signIn.as(`${ada.username}x`, "not her password");
  await expect(app.signIn.username).toHaveValue(`${ada.username}x`);
  await expect(app.signIn.error).toHaveText(told);
  await app.hydrated();
  await app.signIn.as(ada.username, ada.password);
  await expect(app.list.root).toBeVisible();
});

test("a taken name is told, and the rest of the form is kept", async ({ world }) => {
  const [ada] = await world.people("Ada");
  const app = await world.visit(null, "/register");
  await app.register.as(ada.username, "Another Ada", PASSWORD);
  await expect(app.register.error).toBeVisible();
  await expect(app.register.username).toHaveValue(ada.username);
  await expect(app.register.displayName).toHaveValue("Another Ada");
});

test("without a session every page leads to the sign-in and back", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const app = await world.visit(null, `/c/${id}`);
  await expect(app.page).toHaveURL(/\/sign-in\?next=/);
  await app.signIn.as(ada.username, ada.password);
  await expect(app.page).toHaveURL(`/c/${id}`);
  await app.header.expectTitle(bo.name);
});

test("the way back leads to no other site", async ({ world }) => {
  const [ada] = await world.people("Ada");
  for (const next of ["https://example.org/", "//example.org/", "/\\example.org/"]) {
    const app = await world.visit(null, `/sign-in?next=${encodeURIComponent(next)}`);
    await app.signIn.as(ada.username, ada.password);
    await expect(app.list.root).toBeVisible();
    expect(new URL(app.page.url()).origin).toBe(world.server.url);
  }
});

test("somebody else's conversation looks like one that does not exist", async ({ world, guard }) => {
  guard.announceStatus(404);
  const [ada, bo, eve] = await world.people("Ada", "Bo", "Eve");
  const id = await ada.direct(bo);
  await ada.send(id, "between us");
  const page = await world.page(eve);
  const answers = [];
  for (const asked of [id, "01890a5d-ac96-774b-bcce-b302099a8057"]) {
    const answer = await page.goto(`/c/${asked}`);
    answers.push(answer?.status());
    await new App(page).hydrated();
    await expect(page.getByText("between us")).toHaveCount(0);
    await expect(page.getByText(bo.name)).toHaveCount(0);
    await expect(new App(page).composer.field).toHaveCount(0);
  }
  expect(answers).toEqual([404, 404]);
});
