// One photo on its way: what is known about it, and what it is called.

/** What copies end in, by the format of the photo; the service writes those it cannot write as their nearest. */
const EXTENSIONS = { jpeg: "jpg", png: "png", webp: "webp", avif: "avif", heic: "jpg", gif: "png", tiff: "png" };
/** What some system allows in no file name, and characters that turn the direction of writing, which hide an ending. */
const FORBIDDEN = /[<>:"/\\|?*\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;
/** Systems allow 255 bytes; the ending, and a number in an archive, need some. */
const LONGEST = 220;
let count = 0;

/**
 * phase: waiting, uploading, queued, protecting, scoring, done, refused (never accepted), failed, gone.
 * file: what was chosen, until the page is left. order: the higher, the further up in the list. report: what the service says. error: a sentence, once one is due.
 */
export class Photo {
  constructor({ name, file = null, self = null, expires = null, order = 0 }) {
    this.key = `photo-${++count}`;
    this.name = name;
    this.file = file;
    this.self = self;
    this.expires = expires;
    this.order = order;
    this.report = null;
    this.phase = self ? "queued" : "waiting";
    this.sent = 0;
    this.error = "";
    this.options = {};
  }

  /** Whether nothing more will happen by itself. */
  get ended() {
    return ["done", "refused", "failed", "gone"].includes(this.phase);
  }

  get hasCopy() {
    return Boolean(this.report?.links.image);
  }

  /** What the copy is to be saved as. */
  get copyName() {
    const stem = shortened(this.name.replace(/\.[^.]*$/, "") || this.name).replace(FORBIDDEN, "_");
    return `${stem}-protected.${EXTENSIONS[this.report?.source.format] ?? "jpg"}`;
  }

  /** Take in what the service says. */
  take(report) {
    this.report = report;
    this.self = report.links.self;
    this.expires = report.expires_at;
    if (report.status === "failed") this.phase = "failed";
    else if (report.status === "queued") this.phase = "queued";
    else if (report.status === "running") this.phase = "protecting";
    else this.phase = report.scores_status === "pending" ? "scoring" : "done";
  }
}

function shortened(name) {
  const signs = [...name];
  while (new TextEncoder().encode(signs.join("")).length > LONGEST) signs.pop();
  return signs.join("");
}
