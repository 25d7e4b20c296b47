// Sends photos, a few at once, and follows each until nothing more will happen to it.

import { Problem, ask, asked, explained, pause, randomName, send } from "/static/api.js";
import { forget, keep } from "/static/photos/kept.js";
import { say } from "/static/texts.js";

const AT_ONCE = 2;
const LOOK_MS = 350; // one photo each time: ten photos ask no more often than one
const AWAY_MS = 2000;
const LONGEST_WAIT = 60;

/** tell: called with a photo after every change. away: called with whether the service cannot be reached. */
export class Queue {
  constructor({ tell, away, limits }) {
    this.tell = tell;
    this.away = away;
    this.limits = limits;
    this.waiting = [];
    this.sending = 0;
    this.followed = [];
    this.looking = false;
  }

  /** Send a photo when its turn comes. */
  add(photo) {
    const most = this.limits.max_upload_bytes;
    if (photo.file.size === 0) return this.#refuse(photo, say("refused.empty"));
    if (most && photo.file.size > most) return this.#refuse(photo, say("refused.bytes", { most: most / 1e6 }));
    photo.idempotency ??= randomName(); // kept when it is tried again: the answer may have been lost
    Object.assign(photo, { phase: "waiting", error: "" });
    this.waiting.push(photo);
    this.tell(photo);
    this.#next();
  }

  /** Follow a photo that was sent before. */
  follow(photo) {
    this.followed.push(photo);
    this.tell(photo);
    this.#look();
  }

  /**
   * Erase a photo here and in the service. A photo that the service does not know any more is erased. One that is being
   * sent may have arrived already, and only the answer tells its address: so it is waited for.
   */
  async erase(photo) {
    photo.erased = true;
    this.waiting = this.waiting.filter((one) => one !== photo);
    this.followed = this.followed.filter((one) => one !== photo);
    this.tell(photo);
    if (photo.phase === "uploading") await photo.sending;
    if (!photo.erased) throw new Error(photo.error); // no answer: it may be there or not
    if (!photo.self) return;
    try {
      await ask(photo.self, { method: "DELETE" });
    } catch (problem) {
      if (problem.status !== 404) {
        photo.erased = false;
        if (photo.ended) this.tell(photo);
        else this.follow(photo);
        throw problem;
      }
    }
    forget(photo.self);
  }

  #refuse(photo, error) {
    Object.assign(photo, { phase: "refused", error });
    this.tell(photo);
  }

  async #next() {
    if (this.sending >= AT_ONCE || !this.waiting.length) return;
    const photo = this.waiting.shift();
    this.sending += 1;
    try {
      photo.sending = this.#send(photo);
      await photo.sending;
    } finally {
      this.sending -= 1;
      this.#next();
    }
  }

  async #send(photo) {
    for (;;) {
      Object.assign(photo, { phase: "uploading", sent: 0, error: "" });
      this.tell(photo);
      try {
        photo.take(await this.#upload(photo));
        keep(photo);
        if (!photo.erased) this.follow(photo);
        return;
      } catch (problem) {
        const lost = isLost(problem);
        if (photo.erased && !lost) return;
        if (lost || !(problem instanceof Problem) || !problem.passes) {
          // a browser says no more of a file that it cannot read than of a service that it cannot reach
          const unread = problem.status === 0 && !(await isReadable(photo.file));
          Object.assign(photo, { erased: false, again: !unread && (lost || problem.status === 408) });
          return this.#refuse(photo, unread ? say("refused.unreadable") : problem.message);
        }
        // the service is full: it says when there may be room
        Object.assign(photo, { phase: "waiting", error: say("state.full") });
        this.tell(photo);
        await pause(1000 * Math.min(problem.seconds || 5, LONGEST_WAIT));
        if (photo.erased) return;
      }
    }
  }

  #upload(photo) {
    const form = new FormData();
    for (const [name, value] of Object.entries(photo.options)) form.append(name, value);
    form.append("image", photo.file, photo.name);
    return send("/v1/protections", form, {
      // asked again after a lost answer, the service answers with the first result
      headers: { "Idempotency-Key": photo.idempotency },
      progress: (share) => {
        photo.sent = share;
        this.tell(photo);
      },
    });
  }

  async #look() {
    if (this.looking) return;
    this.looking = true;
    while (this.followed.length) {
      const photo = this.followed.shift();
      const problem = await this.#lookAt(photo);
      this.away(problem?.status === 0);
      if (!photo.ended && !photo.erased) this.followed.push(photo);
      await pause(problem ? AWAY_MS : LOOK_MS);
    }
    this.looking = false;
  }

  /** Ask for the report of a photo. Returns what went wrong, if anything did. */
  async #lookAt(photo) {
    try {
      const before = JSON.stringify(photo.report);
      const report = await asked(photo.self);
      if (photo.erased) return null;
      photo.take(report);
      if (photo.phase === "failed") photo.error = explained(report.error);
      if (JSON.stringify(report) !== before) this.tell(photo);
    } catch (problem) {
      if (problem.status !== 404) return problem;
      Object.assign(photo, { phase: "gone", error: say("state.gone") });
      forget(photo.self);
      this.tell(photo);
    }
    return null;
  }
}

const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

/** Whether nobody knows if the service has taken the photo. Sent again with the same key, it is not protected twice. */
const isLost = ({ status, type }) => status === 0 || (status >= 500 && status !== 503) || type === "/problems/key-in-flight";
