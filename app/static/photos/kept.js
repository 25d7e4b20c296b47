// Which photos this browser has sent: their addresses, names and expiry, in its own storage. No picture is kept.

const PLACE = "poise.photos";
const OURS = /^\/v1\/protections\/[\w-]+$/;

function read() {
  try {
    const now = Date.now();
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return found.filter(({ self, name, expires }) => OURS.test(self) && typeof name === "string" && Date.parse(expires) > now);
  } catch {
    return []; // no storage, or nothing of ours in it
  }
}

function write(list) {
  try {
    if (list.length) localStorage.setItem(PLACE, JSON.stringify(list));
    else localStorage.removeItem(PLACE);
  } catch {
    // a browser without storage forgets them when the page is left
  }
}

/** Call `changed` when another window has sent or erased photos. */
export const watchKept = (changed) => addEventListener("storage", ({ key }) => (key === PLACE || key === null) && changed());

/** Every photo that has not expired, the newest first. */
export const kept = () => read();

export function keep({ self, name, expires, order }) {
  const list = [{ self, name, expires, order }, ...read().filter((one) => one.self !== self)];
  write(list.toSorted((one, other) => (other.order ?? 0) - (one.order ?? 0)));
}

export function forget(self) {
  write(read().filter((one) => one.self !== self));
}
