// Receives photos that are shared to the installed page, and puts them aside for it. It does nothing else.

const SHARED = "poise.shared";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method === "POST" && pathname === "/share") event.respondWith(received(event.request));
});

async function received(request) {
  try {
    await putAside(await request.formData());
    return Response.redirect("/", 303);
  } catch {
    return Response.redirect("/?shared=lost", 303); // no room, or a damaged form
  }
}

async function putAside(form) {
  const box = await caches.open(SHARED);
  for (const file of form.getAll("images")) {
    const headers = { "Content-Type": file.type, "X-File-Name": encodeURIComponent(file.name) };
    // a name of its own: photos of an earlier share may not have been read yet
    await box.put(`/share/${crypto.randomUUID()}`, new Response(file, { headers }));
  }
}
