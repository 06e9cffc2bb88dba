import type { BrowserContext } from "@playwright/test";

/**
 * Watches every page of a test. A console error or warning (hydration mismatches, refused by the Content-Security-Policy, a panic), an
 * uncaught error or a failed request to the server fails the test, whatever else it is about, unless the test announced it.
 */
export class Guard {
  private readonly seen: string[] = [];
  private readonly announced: RegExp[] = [];

  /** What a test provokes on purpose. */
  announce(...patterns: RegExp[]): void {
    this.announced.push(...patterns);
  }

  /** The server or the network will be away: connections fail. */
  announceOutage(): void {
    this.announce(/net::ERR_/, /WebSocket connection to/, /HTTP 50[234]/, /status of 50[234]/);
  }

  /** A form will be refused with one of these statuses, by a page that says why. */
  announceStatus(...statuses: number[]): void {
    this.announce(new RegExp(`HTTP (${statuses.join("|")}) `), new RegExp(`status of (${statuses.join("|")}) `));
  }

  watch(context: BrowserContext, origin: string): void {
    context.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.note(`console ${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on("weberror", (error) => this.note(`uncaught: ${error.error().stack ?? error.error().message}`));
    context.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // Aborted: the page was left or closed while it loaded. "csp" without a complaint in the console is how Chromium calls a script that
      // was not loaded because the test switched scripts off.
      if (request.url().startsWith(origin) && why !== "net::ERR_ABORTED" && why !== "csp") {
        this.note(`failed: ${request.method()} ${request.url()} ${why}`);
      }
    });
    context.on("response", (response) => {
      if (response.url().startsWith(origin) && response.status() >= 400) {
        this.note(`HTTP ${response.status()} for ${response.request().method()} ${response.url()}`);
      }
    });
  }

  note(what: string): void {
    this.seen.push(what);
  }

  /** What was seen and not announced. */
  get complaints(): string[] {
    return this.seen.filter((what) => !this.announced.some((pattern) => pattern.test(what)));
  }
}
