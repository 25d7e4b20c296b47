// Receives photos that are shared to the installed page, and puts them aside for it. It does nothing else.

const SHARED = "poise.shared";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === "POST" && pathname === "/share") event.respondWith(received(event.request));
});

async function received(request) {
  const form = await request.formData();
  const box = await caches.open(SHARED);
  let number = 0;
  for (const file of form.getAll("images")) {
    const headers = { "Content-Type": file.type, "X-File-Name": encodeURIComponent(file.name) };
    await box.put(`/share/${++number}`, new Response(file, { headers }));
  }
  return Response.redirect("/", 303);
}
