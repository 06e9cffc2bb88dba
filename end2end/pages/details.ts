import type { Locator, Page } from "@playwright/test";

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

  /** Leaves, and says yes when asked. */
  async leaveGroup(): Promise<void> {
    await this.leave.click();
    await this.page.getByRole("dialog").getByRole("button", { name: "Leave group" }).click();
  }
}
