// Says when the service cannot work, and takes it back when it can again.

import { make } from "/static/dom.js";
import { say } from "/static/texts.js";

const PATIENCE_MS = 4000;
const LOOK_MS = 2000;

export class Health {
  constructor(place) {
    this.place = place;
    this.open = new Map(); // photos that wait, since when
    this.timer = 0;
    this.alone = false;
  }

  /** Say something that went wrong; it stays until the next thing is said. */
  say(text) {
    this.place.hidden = !text;
    this.place.replaceChildren(make("p", {}, text));
    this.told = "";
  }

  /** Take back what went wrong before: something is tried again. */
  hush() {
    if (!this.told) this.say("");
  }

  /** Whether the service cannot be reached at the moment. */
  away(now) {
    if (now === this.alone) return;
    this.alone = now;
    this.#tell(now ? "trouble.away" : "");
  }

  /** Keep an eye on photos: if one does not get on, ask what the matter is. */
  watch(photos) {
    const busy = photos.filter((photo) => photo.self && !photo.ended);
    const now = Date.now();
    this.open = new Map(busy.map((photo) => {
      const before = this.open.get(photo);
      return [photo, before?.phase === photo.phase ? before : { phase: photo.phase, since: now }];
    }));
    if (busy.length && !this.timer) this.timer = setInterval(() => this.#look(), LOOK_MS);
    if (!busy.length) this.#calm();
  }

  #calm() {
    clearInterval(this.timer);
    this.timer = 0;
    this.#tell("");
  }

  async #look() {
    const slow = [...this.open.values()].some(({ since }) => Date.now() - since > PATIENCE_MS);
    if (this.alone || (!slow && !this.told)) return;
    try {
      const answer = await fetch("/readyz");
      const document = await answer.json();
      if (!this.timer) return;
      if (!answer.ok) this.#tell("trouble.down");
      else this.#tell(document.degraded?.some((text) => text.includes("score")) ? "trouble.scores" : "");
    } catch {
      this.#tell("trouble.away");
    }
  }

  #tell(key) {
    if (key === (this.told ?? "")) return;
    this.say(key && say(key));
    this.told = key;
  }
}
