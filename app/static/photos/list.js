// All photos of this browser: their cards, and what can be done with all of them.

import { $, announce, twice } from "/static/dom.js";
import { Card } from "/static/photos/card.js";
import { canShare, saveAll, share } from "/static/photos/save.js";
import { say } from "/static/texts.js";

export class List {
  constructor(actions) {
    this.actions = actions;
    this.cards = new Map();
    $("zip").addEventListener("click", () => this.#zip());
    $("share-all").addEventListener("click", () => share(this.#copies()).catch((problem) => this.#fail(problem)));
    twice($("erase-all"), say("action.erase.all.sure"), () => this.#eraseAll());
  }

  get photos() {
    return [...this.cards.keys()];
  }

  /** Add the card of a new photo, before or after the others. brief: whether its advice is folded away. */
  add(photo, { first = true, brief = false } = {}) {
    const card = new Card(photo, this.actions, { brief });
    this.cards.set(photo, card);
    if (first) $("list").prepend(card.element);
    else $("list").append(card.element);
    this.#count();
    return card;
  }

  update(photo) {
    this.cards.get(photo)?.update();
    this.#count();
  }

  /** Take a card away, and lead the keyboard to its neighbour. */
  remove(photo) {
    const { element } = this.cards.get(photo);
    const next = element.nextElementSibling ?? element.previousElementSibling;
    const hadFocus = element.contains(document.activeElement) || document.activeElement === document.body;
    element.remove();
    this.cards.delete(photo);
    if (hadFocus) (next?.querySelector("h3") ?? $("file")).focus();
    this.#count();
  }

  #copies() {
    return this.photos.filter((photo) => photo.hasCopy && photo.phase !== "gone");
  }

  #count() {
    const { photos } = this;
    const copies = this.#copies().length;
    const refused = photos.filter((photo) => ["refused", "failed"].includes(photo.phase)).length;
    const busy = photos.filter((photo) => !photo.ended).length;
    $("mine").hidden = !photos.length;
    $("for-all").hidden = photos.length < 2;
    $("zip").hidden = copies < 2;
    $("share-all").hidden = copies < 2 || !canShare();
    const parts = [say("count.copies", { count: copies })];
    if (busy) parts.push(say("count.busy", { count: busy }));
    if (refused) parts.push(say("count.refused", { count: refused }));
    $("counts").textContent = parts.join(" · ");
  }

  async #zip() {
    $("zip").disabled = true;
    try {
      await saveAll(this.#copies(), "poise-protected.zip", this.actions.check);
      announce(say("said.zip"));
    } catch (problem) {
      this.#fail(problem);
    }
    $("zip").disabled = false;
  }

  async #eraseAll() {
    // those that wait go first, so that none is sent while another is erased
    const waits = (photo) => Number(photo.phase === "waiting");
    for (const photo of this.photos.toSorted((one, other) => waits(other) - waits(one))) await this.actions.erase(photo);
  }

  #fail(problem) {
    if (problem.status === 404) this.#copies().forEach(this.actions.check);
    else if (problem.name !== "AbortError") this.actions.trouble(problem.message);
  }
}
