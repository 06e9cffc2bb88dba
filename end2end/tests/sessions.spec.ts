import { expect, test } from "../fixtures";

test("signing out in one tab ends the others", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await ada.send(id, "private");
  const tab = await world.visit(ada, `/c/${id}`);
  const other = await tab.secondTab("/settings");
  await other.settings.signOut.click();
  await expect(other.page).toHaveURL(/\/sign-in/);
  await tab.expectEnded();
  await expect(tab.page.getByRole("link", { name: "Sign in" })).toBeVisible();
  await tab.page.reload();
  await expect(tab.page).toHaveURL(/\/sign-in/);
  await expect(tab.page.getByText("private")).toHaveCount(0);
});

test("a device revoked in the settings ends at once, this one goes on", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const lost = await world.visit(ada, `/c/${id}`, { cookie: await ada.signIn() });
  const here = await world.visit(ada, "/settings");
  await expect(here.settings.devices).toHaveCount(2);
  await here.settings.revokeOther();
  await lost.expectEnded();
  await expect(here.settings.devices).toHaveCount(1);
  await lost.page.reload();
  await expect(lost.page).toHaveURL(/\/sign-in/);
  await here.page.goto(`/c/${id}`);
  await here.hydrated();
  await here.composer.send("still here");
  await here.messages.expectSent("still here");
});

test("a new display name is seen by the others", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, "/settings");
  await a.settings.displayName.fill("Ада Лавлейс");
  await a.settings.displayName.press("Enter");
  await expect.poll(async () => (await bo.ask<{ display_name: string }>("GET", `users/${ada.id}`)).display_name).toBe("Ада Лавлейс");
  const b = await world.visit(bo, `/c/${id}`);
  await b.header.expectTitle("Ада Лавлейс");
});
