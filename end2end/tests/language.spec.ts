import { expect, test } from "../fixtures";

const HAN = /\p{Script=Han}/u;

test("the browser's language is the page's, before and after signing in", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const nobody = await world.visit(null, "/sign-in", { locale: "zh-CN" });
  await expect(nobody.page.locator("html")).toHaveAttribute("lang", /^zh/);
  await expect(nobody.page.getByRole("heading", { level: 1 })).toHaveText(HAN);
  await expect(nobody.signIn.submit).toHaveCount(0);
  await expect(nobody.page.getByRole("button", { name: "登录" })).toBeVisible();

  const a = await world.visit(ada, `/c/${id}`, { locale: "zh-CN" });
  await expect(a.page.locator("html")).toHaveAttribute("lang", /^zh/);
  await expect(a.page.getByRole("button", { name: "发送" })).toBeVisible();
  const english = await world.visit(ada, `/c/${id}`, { locale: "fr-FR" });
  await expect(english.page.locator("html")).toHaveAttribute("lang", /^en/);
  await expect(english.composer.sendButton).toBeVisible();
});

test("a language chosen in the settings stays, on every device", async ({ world }) => {
  const [ada] = await world.people("Ada");
  const a = await world.visit(ada, "/settings");
  await expect(a.page.locator("html")).toHaveAttribute("lang", /^en/);
  await a.settings.choose("简体中文");
  await expect(a.page.locator("html")).toHaveAttribute("lang", /^zh/);
  await expect(a.page.getByRole("button", { name: "退出登录", exact: true })).toBeVisible();
  await a.reload();
  await expect(a.page.locator("html")).toHaveAttribute("lang", /^zh/);
  const elsewhere = await world.visit(ada, "/new", { cookie: await ada.signIn() });
  await expect(elsewhere.page.locator("html")).toHaveAttribute("lang", /^zh/);
  await expect(elsewhere.page.getByRole("heading", { level: 1 })).toHaveText(HAN);
});
