// Where photos come from: the chooser, the camera, files dropped anywhere, the clipboard, and other applications.

import { $ } from "/static/dom.js";
import { dropped } from "/static/photos/folders.js";

const SHARED = "poise.shared";

/** Call `take` with the files of each. */
export function listen(take) {
  for (const id of ["file", "camera"]) {
    $(id).addEventListener("change", () => {
      take([...$(id).files]);
      $(id).value = "";
    });
  }
  drops(take);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  takeShared(take);
}

function drops(take) {
  let depth = 0; // every element that is entered is left again
  const over = (now) => document.body.classList.toggle("over", now);
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  document.addEventListener("dragenter", (event) => carriesFiles(event) && over(++depth > 0));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && over(--depth > 0));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    take(await dropped(event.dataTransfer));
  });
}

/** Photos that another application shared to this one: `sharing.js` has put them aside. */
async function takeShared(take) {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker.register("/sharing.js").catch(() => {});
  try {
    if (!(await caches.has(SHARED))) return;
  } catch {
    return; // a browser that stores nothing
  }
  const box = await caches.open(SHARED);
  const files = [];
  for (const request of await box.keys()) {
    const answer = await box.match(request);
    if (!answer) continue;
    const name = decodeURIComponent(answer.headers.get("X-File-Name") ?? "photo");
    const file = new File([await answer.blob()], name, { type: answer.headers.get("Content-Type") });
    if (await box.delete(request)) files.push(file); // else another window has taken it
  }
  if (!files.length) return;
  history.replaceState(null, "", "/");
  take(files);
}
