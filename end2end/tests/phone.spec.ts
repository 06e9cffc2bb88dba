import { findings } from "../axe";
import { expect, test } from "../fixtures";

test.use({ viewport: { width: 320, height: 640 } });

test("list and conversation are two screens with a way back", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "on a small screen");
  const a = await world.visit(ada, "/");
  await expect(a.list.row(bo.name)).toBeVisible();
  await expect(a.composer.field).not.toBeVisible();
  await a.list.expectUnread(bo.name, 1);
  await a.expectNoSideScroll();

  await a.list.open(bo.name);
  await a.header.expectTitle(bo.name);
  await a.messages.expectSent("on a small screen");
  await expect(a.list.row(bo.name)).not.toBeVisible();
  await expect(a.composer.field).toBeInViewport();
  await a.composer.send("so it is");
  await a.messages.expectSent("so it is");
  await a.expectNoSideScroll();

  await a.header.back.click();
  await expect(a.page).toHaveURL("/");
  await expect(a.composer.field).not.toBeVisible();
  await a.list.expectUnread(bo.name, 0);
});

test("a finger that rests on a message opens its menu when it is lifted", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "touch me");
  const a = await world.visit(ada, `/c/${id}`, { hasTouch: true, isMobile: true });
  await a.messages.expectSent("touch me");
  await a.page.clock.install();
  const box = (await a.messages.with("touch me").getByText("touch me").boundingBox())!;
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const devtools = await a.page.context().newCDPSession(a.page);
  const touch = (type: "touchStart" | "touchEnd") =>
    devtools.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchStart" ? [at] : [] });

  // A tap only shows the toolbar.
  await touch("touchStart");
  await touch("touchEnd");
  await expect(a.actions.toolbar(a.messages.with("touch me"))).toBeVisible();
  await expect(a.actions.menu).toBeHidden();

  await touch("touchStart");
  await a.page.clock.runFor(500);
  await expect(a.actions.menu, "not below the finger").toBeHidden();
  await touch("touchEnd");
  await expect(a.actions.menu).toBeVisible();
  await a.expectNoSideScroll();
  for (const item of await a.actions.menu.getByRole("menuitem").all()) await expect(item).toBeInViewport({ ratio: 1 });
  expect(await findings(a.page)).toEqual([]);
  await a.actions.item("Reply").tap();
  await expect(a.actions.menu).toBeHidden();
  await expect(a.actions.bar).toContainText("touch me");
});

test("nothing is wider than the screen", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const id = await ada.group("A group with a rather long name, longer than the screen is wide", bo, cy);
  await bo.send(id, "unbreakable".repeat(40), `https://example.org/${"a/".repeat(100)}`, "```\n" + "wide code ".repeat(40) + "\n```", "مرحبا ".repeat(40));
  await cy.send(id, "字".repeat(200), "x");
  const a = await world.visit(ada, "/");
  for (const path of ["/", `/c/${id}`, "/new", "/settings"]) {
    await a.page.goto(path);
    await a.hydrated();
    await a.expectNoSideScroll();
  }
  await a.page.goto(`/c/${id}`);
  await a.hydrated();
  await a.header.details.click();
  await expect(a.details.leave).toBeVisible();
  await a.expectNoSideScroll();
  const nobody = await world.visit(null, "/sign-in");
  for (const path of ["/sign-in", "/register"]) {
    await nobody.page.goto(path);
    await nobody.hydrated();
    await nobody.expectNoSideScroll();
  }
});
