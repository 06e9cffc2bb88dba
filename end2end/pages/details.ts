import { type Locator, type Page, expect } from "@playwright/test";

/** The panel beside a group: its members, adding, leaving. */
export class Details {
  readonly root: Locator;
  readonly addPeople: Locator;
  readonly leave: Locator;

  constructor(private readonly page: Page) {
    this.root = page.getByRole("complementary", { name: "Details" });
    this.addPeople = this.root.getByRole("button", { name: "Add people" });
    this.leave = this.root.getByRole("button", { name: "Leave group" });
  }

  member(name: string): Locator {
    return this.root.getByRole("listitem").filter({ hasText: name });
  }

  /** What is asked before something that cannot be undone. */
  get dialog(): Locator {
    return this.page.getByRole("dialog");
  }

  /** The menu of what can be done about a member. */
  async manage(name: string): Promise<Locator> {
    await this.root.getByRole("button", { name: `Manage ${name}` }).click();
    const menu = this.page.getByRole("menu", { name: `Manage ${name}` });
    await expect(menu).toBeVisible();
    return menu;
  }

  /** Chooses from that menu. */
  async choose(name: string, what: string): Promise<void> {
    await (await this.manage(name)).getByRole("menuitem", { name: what, exact: true }).click();
  }

  async expectRole(name: string, role: string): Promise<void> {
    await expect(this.member(name)).toContainText(role);
  }

  /** Leaves, and says yes when asked. */
  async leaveGroup(): Promise<void> {
    await this.leave.click();
    await this.page.getByRole("dialog").getByRole("button", { name: "Leave group" }).click();
  }
}
