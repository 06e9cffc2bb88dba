import { type Locator, type Page, expect } from "@playwright/test";
import { Composer } from "./composer";
import { ConversationMenu } from "./conversation-menu";
import { Conversations } from "./conversations";
import { Details } from "./details";
import { Header } from "./header";
import { MessageActions } from "./message";
import { Messages } from "./messages";
import { NewConversation } from "./new-conversation";
import { Register } from "./register";
import { Settings } from "./settings";
import { SignIn } from "./sign-in";

/** One tab with the product in it. */
export class App {
  readonly list: Conversations;
  readonly header: Header;
  readonly menu: ConversationMenu;
  readonly messages: Messages;
  readonly actions: MessageActions;
  readonly composer: Composer;
  readonly details: Details;
  readonly newConversation: NewConversation;
  readonly settings: Settings;
  readonly signIn: SignIn;
  readonly register: Register;

  constructor(readonly page: Page) {
    this.list = new Conversations(page);
    this.header = new Header(page);
    this.menu = new ConversationMenu(page);
    this.messages = new Messages(page);
    this.actions = new MessageActions(page);
    this.composer = new Composer(page);
    this.details = new Details(page);
    this.newConversation = new NewConversation(page);
    this.settings = new Settings(page);
    this.signIn = new SignIn(page);
    this.register = new Register(page);
  }

  /** Waits until the page's script has taken over. */
  async hydrated(): Promise<void> {
    await this.page.locator("html[data-hydrated]").waitFor({ state: "attached" });
  }

  /** The page where the connection is in this state. */
  private linked(state: "live" | "connecting" | "offline" | "ended"): Locator {
    return this.page.locator(`[data-link="${state}"]`);
  }

  async expectLive(): Promise<void> {
    // A reconnect may have to wait for its back-off.
    await this.linked("live").waitFor({ state: "attached", timeout: 40_000 });
  }

  async expectAway(): Promise<void> {
    await this.page.locator('[data-link="offline"], [data-link="connecting"]').waitFor({ state: "attached" });
  }

  async expectEnded(): Promise<void> {
    await this.linked("ended").waitFor({ state: "attached" });
  }

  /** A second tab of the same browser; resolves when it is hydrated. */
  async secondTab(path: string): Promise<App> {
    const tab = new App(await this.page.context().newPage());
    await tab.page.goto(path);
    await tab.hydrated();
    return tab;
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.hydrated();
  }

  /** The unread total that the tab's title carries; 0: no number in it. */
  async expectTotal(total: number): Promise<void> {
    await expect(this.page).toHaveTitle(total === 0 ? /^\D*$/ : new RegExp(`^\\D*${total}\\D*$`));
  }

  /** Nothing sticks out to the right. */
  async expectNoSideScroll(): Promise<void> {
    const tooWide = await this.page.evaluate(() => {
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth <= width && document.body.scrollWidth <= width) return [];
      return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > width + 0.5)
        .map((element) => `${element.tagName}.${element.className}: ${element.getBoundingClientRect().right}`);
    });
    expect(tooWide).toEqual([]);
  }
}
