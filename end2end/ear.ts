import { type Page, expect } from "@playwright/test";

declare global {
  interface Window {
    confabTestAudio: { contexts: number; notes: number };
  }
}

/** Runs before a page's own scripts: counts what would be heard instead of playing it. */
function counted(): void {
  const audio = (window.confabTestAudio = { contexts: 0, notes: 0 });
  const param = () => ({ value: 0, setValueAtTime: () => {}, exponentialRampToValueAtTime: () => {} });
  const node = { connect: () => node };
  class Context {
    state = "running";
    currentTime = 0;
    destination = node;
    constructor() {
      audio.contexts += 1;
    }
    createGain() {
      return { ...node, gain: param() };
    }
    createOscillator() {
      return { ...node, frequency: param(), start: () => (audio.notes += 1), stop: () => {} };
    }
  }
  Object.defineProperty(window, "AudioContext", { value: Context });
}

/** Notes of one sound. */
const NOTES = 2;
/** Milliseconds: longer than a sound keeps the next ones away, and than a tab waits for another. */
const LONG = 3_000;

/** What is heard of a browser: of its first page and of those opened later. */
export class Ear {
  private constructor(private readonly page: Page) {}

  /** Call it before the page goes anywhere. Afterwards the page's clock goes on as before, and can be put forward. */
  static async at(page: Page): Promise<Ear> {
    await page.context().clock.install();
    await page.context().addInitScript(counted);
    return new Ear(page);
  }

  /** A key that changes nothing: browsers are silent before. */
  async gesture(page = this.page): Promise<void> {
    await page.keyboard.press("Shift");
    await expect.poll(() => page.evaluate(() => window.confabTestAudio.contexts)).toBe(1);
  }

  /** Sounds since the pages were loaded. */
  async sounds(): Promise<number> {
    const pages = this.page.context().pages();
    const notes = await Promise.all(pages.map((page) => page.evaluate(() => window.confabTestAudio.notes)));
    return notes.reduce((sum, one) => sum + one, 0) / NOTES;
  }

  contexts(): Promise<number> {
    return this.page.evaluate(() => window.confabTestAudio.contexts);
  }

  /** It sounds this often, and then no more. What sounds next is heard. */
  async expectSounds(count: number): Promise<void> {
    await expect.poll(() => this.sounds()).toBe(count);
    await this.settle();
    expect(await this.sounds()).toBe(count);
  }

  /** Waits until whatever came before has sounded, if it does, and long enough for the next one. */
  private async settle(): Promise<void> {
    await this.page.context().clock.runFor(LONG);
    // Who wanted to sound stands before us in this line, and holds it a while if it did.
    await this.page.evaluate(() => navigator.locks.request("confab.sound", () => undefined));
  }
}
