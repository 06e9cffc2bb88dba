import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.CONFAB_BIN || fileURLToPath(new URL("../target/release/confab", import.meta.url));
const READY = /^confab: listening on http:\/\/127\.0\.0\.1:(\d+)$/;
const READY_MS = 15_000;
/** A broker to serve over instead of the channel within the process. */
const BUS = process.env.CONFAB_TEST_BUS;
/** Lines of the server's log that are kept for the report of a failed test. */
const LOG_LINES = 400;

// A runner that is interrupted must not leave servers behind.
const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** One `confab serve` with a data folder of its own. It can be killed and started again on the same port and data. */
export class Server {
  port = 0;
  private child: ChildProcess | undefined;
  private readonly lines: string[] = [];
  /** Names of its own on the broker, which others use too. */
  private readonly bus = BUS ? ["--bus", `${BUS}?prefix=e${randomBytes(8).toString("hex")}`] : [];

  private constructor(private readonly data: string) {}

  static async start(): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), "confab-e2e-")));
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the server logged last. */
  get log(): string {
    return this.lines.join("\n");
  }

  /** Starts it; the second time on the port it had. Resolves when it accepts connections. */
  async start(): Promise<void> {
    // The settings of whoever runs the tests are none of the tests' business.
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("CONFAB_")));
    const child = spawn(BINARY, ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", this.data, ...this.bus], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(child);
    this.child = child;
    createInterface({ input: child.stderr! }).on("line", (line) => {
      this.lines.push(line);
      if (this.lines.length > LOG_LINES) this.lines.shift();
    });
    this.port = await new Promise<number>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${BINARY} ${why}\n${this.log}`));
      const timer = setTimeout(() => fail(`was not ready after ${READY_MS} ms`), READY_MS);
      child.on("error", (error) => fail(`did not start: ${error.message}`));
      child.on("exit", (code, signal) => {
        running.delete(child);
        clearTimeout(timer);
        fail(`ended with ${code ?? signal}`);
      });
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const port = READY.exec(line)?.[1];
        if (port === undefined) return;
        clearTimeout(timer);
        resolve(Number(port));
      });
    });
  }

  /** Kills it (SIGKILL), as a crash would. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  /** Kills it and removes its data. */
  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }
}
