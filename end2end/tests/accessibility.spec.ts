import { findings } from "../axe";
import { expect, test } from "../fixtures";
import { numbered } from "../text";

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe finds nothing in ${colorScheme} colours`, async ({ world }) => {
    const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
    const [direct, group] = [await ada.direct(bo), await ada.group("Design crit", bo, cy)];
    await ada.send(group, "first");
    await bo.send(group, ...numbered("unread", 3), "`code` and **bold** and https://example.org/");
    await cy.send(await cy.direct(ada), "unread in the list");
    const nobody = await world.visit(null, "/sign-in", { colorScheme });
    expect(await findings(nobody.page)).toEqual([]);
    await nobody.page.goto("/register");
    await nobody.hydrated();
    expect(await findings(nobody.page)).toEqual([]);

    const a = await world.visit(ada, `/c/${group}`, { colorScheme, reducedMotion: "reduce" });
    await expect(a.messages.divider).toBeVisible();
    expect(await findings(a.page)).toEqual([]);
    await a.header.details.click();
    await expect(a.details.leave).toBeVisible();
    expect(await findings(a.page)).toEqual([]);
    for (const path of ["/", "/new", "/settings", `/c/${direct}`]) {
      await a.page.goto(path);
      await a.hydrated();
      expect(await findings(a.page), path).toEqual([]);
    }
    await a.page.goto("/new?kind=group");
    await a.hydrated();
    await a.newConversation.search.fill(bo.name);
    await expect(a.newConversation.choice(bo.name)).toBeVisible();
    expect(await findings(a.page)).toEqual([]);
    await a.page.setViewportSize({ width: 390, height: 844 });
    for (const path of ["/", `/c/${group}`]) {
      await a.page.goto(path);
      await a.hydrated();
      expect(await findings(a.page), `${path} on a phone`).toEqual([]);
    }
  });

  test(`axe finds nothing in messages on their way and refused, in ${colorScheme} colours`, async ({ world }) => {
    const [ada, bo] = await world.people("Ada", "Bo");
    const id = await ada.direct(bo);
    const a = await world.visit(ada, "/settings", { colorScheme, reducedMotion: "reduce" });
    await a.page.routeWebSocket(/\/ws$/, (near) => {
      const far = near.connectToServer();
      near.onMessage((text) => {
        const frame = JSON.parse(String(text));
        if (frame.type !== "send") far.send(text);
        else if (frame.body.text === "refused") {
          near.send(JSON.stringify({ type: "refused", nonce: frame.nonce, code: "forbidden", message: "No.", retryable: false }));
        }
      });
    });
    await a.page.goto(`/c/${id}`);
    await a.hydrated();
    await a.composer.send("refused", "on its way");
    await expect(a.messages.in("refused")).toHaveCount(1);
    await a.messages.expectPending("on its way");
    expect(await findings(a.page)).toEqual([]);
  });
}

test("everything is reached by keys alone", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [first, second] = [await ada.direct(bo), await ada.group("Second", cy)];
  await ada.send(first, "older");
  await ada.send(second, "newer");
  const a = await world.visit(ada, `/c/${second}`);
  await a.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  for (let stops = 0; ; stops += 1) {
    expect(stops, "stops before the composer").toBeLessThan(40);
    await a.page.keyboard.press("Tab");
    if (await a.composer.field.evaluate((field) => field === document.activeElement)) break;
  }
  await a.page.keyboard.type("by keys");
  await a.page.keyboard.press("Enter");
  await a.messages.expectSent("by keys");

  await a.page.keyboard.press("Alt+ArrowDown");
  await expect(a.page).toHaveURL(`/c/${first}`);
  await a.header.expectTitle(bo.name);
  await a.page.keyboard.press("Alt+ArrowUp");
  await expect(a.page).toHaveURL(`/c/${second}`);

  await a.page.keyboard.press("Control+k");
  await expect(a.list.filter).toBeFocused();
  await a.page.keyboard.type(bo.name);
  await expect(a.list.row("Second")).toHaveCount(0);
  await a.page.keyboard.press("Tab");
  await expect(a.list.row(bo.name)).toBeFocused();
  await a.page.keyboard.press("Enter");
  await expect(a.page).toHaveURL(`/c/${first}`);

  await a.page.goto(`/c/${second}`);
  await a.hydrated();
  await a.header.details.focus();
  await a.page.keyboard.press("Enter");
  await expect(a.details.leave).toBeVisible();
  await a.page.keyboard.press("Escape");
  await expect(a.details.leave).not.toBeVisible();
});
