import { expect, test } from "../fixtures";
import { App } from "../pages/app";
import { numbered } from "../text";

test("the page is readable before any script", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, "in the HTML itself", "你好 & <goodbye>");
  const page = await world.page(ada);
  const answer = await page.context().request.get(`/c/${id}`);
  expect(answer.status()).toBe(200);
  expect(answer.headers()["cache-control"]).toContain("no-store");
  expect(answer.headers()["content-security-policy"]).toContain("script-src");
  const html = await answer.text();
  // What stands in the markup, not only in data for the script.
  const visible = html.replace(/<script\b[\s\S]*?<\/script>/g, "");
  expect(visible).toContain("in the HTML itself");
  expect(visible).toContain("你好 &amp; &lt;goodbye&gt;");
  expect(visible).toContain(bo.name);
});

test("every page is drawn, however many are asked for at once", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  const cookie = `${ada.cookie.name}=${ada.cookie.value}`;
  const paths = [`/c/${id}`, "/", "/new", "/settings"];
  const answers = await Promise.all(
    Array.from({ length: 120 }, async (_, index) => {
      const answer = await fetch(`${world.server.url}${paths[index % paths.length]}`, { headers: { cookie } });
      return `${answer.status} ${/<title>.*<\/title>/.exec(await answer.text())?.[0]}`;
    }),
  );
  expect(new Set(answers)).toEqual(
    new Set([`200 <title>${bo.name} — Confab</title>`, "200 <title>New conversation — Confab</title>", "200 <title>Settings — Confab</title>"]),
  );
});

for (const [device, viewport] of [
  ["a desktop", { width: 1440, height: 900 }],
  ["a phone", { width: 390, height: 844 }],
] as const) {
  test(`nothing shifts while the page loads on ${device}`, async ({ world }) => {
    const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
    const id = await ada.group("Design crit", bo, cy);
    await bo.send(id, ...numbered("earlier", 30), "a long one ".repeat(60), "你好 مرحبا 👋");
    await ada.send(id, ...numbered("mine", 5));
    const page = await world.page(ada, {
      viewport,
      before: () => {
        const shifts: string[] = [];
        Object.assign(window, { confabTestShifts: shifts });
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries() as (PerformanceEntry & { value: number; sources: { node?: Element }[] })[]) {
            const where = entry.sources.map(({ node }) => `${node?.nodeName}.${node?.className ?? ""}`);
            shifts.push(`${entry.value} at ${Math.round(entry.startTime)} ms: ${where.join(", ")}`);
          }
        }).observe({ type: "layout-shift", buffered: true });
      },
    });
    const app = new App(page);
    for (const path of ["/", `/c/${id}`, "/new", "/settings"]) {
      await page.goto(path);
      await app.hydrated();
      await app.expectLive();
      const shifts = await page.evaluate(async () => {
        await document.fonts.ready;
        // Three frames: whatever hydration changed is laid out, painted and reported.
        for (let frames = 0; frames < 3; frames += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
        return (window as unknown as { confabTestShifts: string[] }).confabTestShifts;
      });
      const sum = shifts.reduce((total, shift) => total + Number.parseFloat(shift), 0);
      expect(sum, `${path}: ${shifts.join("\n")}`).toBeLessThan(0.02);
    }
  });
}

test("what came with the page is not fetched a second time", async ({ world }) => {
  const [ada, bo] = await world.people("Ada", "Bo");
  const id = await ada.direct(bo);
  await bo.send(id, ...numbered("earlier", 20));
  await ada.read(id, 20);
  const page = await world.page(ada);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const frames: string[] = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => frames.push(JSON.parse(String(payload)).type));
    socket.on("framereceived", ({ payload }) => frames.push(JSON.parse(String(payload)).type));
  });
  const app = new App(page);
  await page.goto(`/c/${id}`);
  await app.hydrated();
  await expect.poll(() => frames).toContain("live");
  expect(asked.filter((path) => /^\/(api|fn)\//.test(path))).toEqual([]);
  expect(frames).not.toContain("sync");
  expect(asked.filter((path) => path === `/c/${id}`)).toHaveLength(1);
});

test("moving between conversations keeps one connection", async ({ world }) => {
  const [ada, bo, cy] = await world.people("Ada", "Bo", "Cy");
  const [first, second] = [await ada.direct(bo), await ada.direct(cy)];
  await bo.send(first, "from Bo");
  await cy.send(second, "from Cy");
  const page = await world.page(ada);
  let sockets = 0;
  page.on("websocket", () => (sockets += 1));
  const app = new App(page);
  await page.goto(`/c/${first}`);
  await app.hydrated();
  for (const name of [cy.name, bo.name, cy.name]) {
    await app.list.open(name);
    await app.header.expectTitle(name);
  }
  await app.messages.expectSent("from Cy");
  await page.goBack();
  await app.header.expectTitle(bo.name);
  await app.messages.expectSent("from Bo");
  await app.composer.send("still one");
  await app.messages.expectSent("still one");
  expect(sockets).toBe(1);
});
