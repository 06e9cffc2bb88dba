import { findings } from "../axe";
import { expect, test } from "../fixtures";

test("a direct message shows that it was read", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const a = await world.visit(ada, `/c/${id}`);
  await a.composer.send("did you see this?");
  const mine = a.messages.with("did you see this?");
  await expect(mine.getByRole("img", { name: "Sent" })).toBeVisible();
  await bo.read(id, 1);
  await expect(mine.getByRole("img", { name: "Read" })).toBeVisible();
});

test("a group message counts its readers live, and names them", async ({ world }) => {
  const [ada, bo, cy, di] = await world.people("Ada", "Bo", "Cy", "Di");
  const id = await ada.group("Readers", bo, cy, di);
  const a = await world.visit(ada, `/c/${id}`, { reducedMotion: "reduce" });
  await a.composer.send("who has read this?");
  const mine = a.messages.with("who has read this?");
  await expect(mine.getByRole("img", { name: "Sent" })).toBeVisible();
  const seq = (await ada.conversation(id)).head_seq;
  await bo.read(id, seq);
  await expect(mine).toContainText("read 1/3");
  // Opening it is reading it.
  const c = await world.visit(cy, `/c/${id}`);
  await c.messages.expectSent("who has read this?");
  await expect(mine).toContainText("read 2/3");

  await mine.getByRole("button", { name: "read 2/3" }).click();
  const dialog = a.page.getByRole("dialog", { name: "Read by" });
  await expect(dialog.getByRole("listitem").filter({ hasText: bo.name })).toBeVisible();
  const names = await dialog.getByRole("listitem").allTextContents();
  expect(names.join("|")).toContain(cy.name);
  await expect(dialog.getByRole("heading", { name: "Not yet" })).toBeVisible();
  await expect(dialog.getByRole("list").last()).toContainText(di.name);
  expect(await findings(a.page)).toEqual([]);
  await a.page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();

  await di.read(id, seq);
  await expect(mine).toContainText("read 3/3");
});
