// Answers with what was seen last while there is no server: the page's files, and the last HTML of the list and of
// conversations. Pages say `no-store` because nothing on the way may keep them; this keeps them on purpose, in this
// browser only, and drops them when somebody signs out, signs in, or has no session any more.
const FILES = "files", PAGES = "pages";
const MOST_FILES = 24, MOST_PAGES = 30; // the oldest go first
const AGAIN_MS = 10000; // a page that is looked at is not fetched more often
const page = (path) => path === "/" || /^\/c\/[0-9a-f-]{36}$/.test(path);
const fetched = new Map();
let forgotten = 0;

self.addEventListener("install", () => self.skipWaiting());
// The pages that are open now were loaded without it.
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim().then(lookAtAll)));

async function keep(name, most, key, answer) {
  const cache = await caches.open(name);
  await cache.delete(key); // so that the order is that of use
  await cache.put(key, answer);
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - most)).map((old) => cache.delete(old)));
}

function forget() {
  forgotten += 1;
  fetched.clear();
  return caches.delete(PAGES);
}

async function keepPage(path, answer, since) {
  // What was asked for before somebody signed out is not kept after.
  if (!answer.ok || answer.redirected || since !== forgotten) return;
  fetched.set(path, Date.now());
  const [head] = (await answer.clone().text()).split("</head>");
  const files = new Set([...head.matchAll(/"(\/pkg\/[^"]+)"/g)].map(([, path]) => path));
  await Promise.allSettled([...files].slice(0, MOST_FILES).map((path) => file(new Request(path))));
  await keep(PAGES, MOST_PAGES, path, answer);
}

// Fetches a page that is shown although none was loaded for it.
async function look(path) {
  if (!page(path) || Date.now() - (fetched.get(path) ?? 0) < AGAIN_MS) return;
  const since = forgotten;
  fetched.set(path, Date.now());
  await fetch(path, { redirect: "manual" }).then((answer) => keepPage(path, answer, since), () => fetched.delete(path));
}

async function lookAtAll() {
  const tabs = await self.clients.matchAll({ type: "window" });
  await Promise.all(tabs.map((tab) => look(new URL(tab.url).pathname)));
}

async function file(request) {
  const known = await caches.match(request, { cacheName: FILES, ignoreVary: true });
  if (known) return known;
  const answer = await fetch(request);
  if (answer.ok) await keep(FILES, MOST_FILES, request, answer.clone());
  return answer;
}

async function visit(event, path) {
  const since = forgotten;
  try {
    const answer = await fetch(event.request);
    if (page(path)) event.waitUntil(keepPage(path, answer.clone(), since));
    return answer;
  } catch (error) {
    const known = page(path) && (await caches.match(path, { cacheName: PAGES, ignoreVary: true }));
    if (known) return known;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "GET" && url.pathname.startsWith("/pkg/")) {
    event.respondWith(file(request));
  } else if (request.mode === "navigate") {
    const door = /^\/(sign-in|register|fn\/sign-(in|out)|fn\/register)$/.test(url.pathname);
    if (door) event.waitUntil(forget());
    else if (request.method === "GET") event.respondWith(visit(event, url.pathname));
  }
});

// A tab says which page it shows, where none was loaded for it, or that what is kept is nobody's any more.
self.addEventListener("message", (event) => {
  event.waitUntil(event.data === "forget" ? forget() : look(event.data));
});
