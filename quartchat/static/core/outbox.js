// What this person wrote and the server has not answered for. Kept in storage, so that it outlives a
// reload; sent strictly one at a time, because only then does an answer to the first decide before
// the second is on its way, and order survives a nack, an `unknown` and a lost connection alike.
//
// Entries: {local, id, text, at, failed?}. `id` is what the server knows; it changes when a refused
// message is tried again, since a nacked id is spent. `local` never changes: it is the bubble's name.

export const ANSWER_WITHIN = 12000; // ms; the server promises an answer within 10 s

export class Outbox {
  constructor({ storage, newId, now }) {
    Object.assign(this, { storage, newId, now });
    this.key = null;
    this.entries = [];
    this.flying = null; // id of the entry whose answer is awaited
    this.flyingSince = 0;
    this.holdUntil = 0; // nothing is sent before this time
  }

  // From here on entries are kept under `key`; what an earlier page left there comes first.
  open(key) {
    this.key = key;
    const left = read(this.storage, key);
    this.entries = [...left, ...this.entries];
    this.#save();
  }

  // Takes over what a closed tab left behind.
  adopt(key) {
    const left = read(this.storage, key).filter((entry) => !this.find(entry.id));
    const begun = this.entries.findIndex((entry) => entry.id === this.flying);
    this.entries.splice(begun + 1, 0, ...left);
    this.#save();
    forget(this.storage, key);
    return left.length;
  }

  add(text) {
    const id = this.newId();
    const entry = { local: id, id, text, at: this.now() };
    this.entries.push(entry);
    this.#save();
    return entry;
  }

  find(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  // The entry to put on the wire now, or null. The caller sends it and then says `sent`.
  next() {
    if (this.flying !== null || this.now() < this.holdUntil) return null;
    return this.entries.find((entry) => !entry.failed) ?? null;
  }

  sent(id) {
    this.flying = id;
    this.flyingSince = this.now();
  }

  get waiting() {
    return this.entries.some((entry) => !entry.failed);
  }

  overdue() {
    return this.flying !== null && this.now() - this.flyingSince > ANSWER_WITHIN;
  }

  ack(id) {
    const entry = this.find(id);
    this.#landed(id);
    if (!entry) return null;
    this.entries = this.entries.filter((other) => other !== entry);
    this.#save();
    return entry;
  }

  // Final for this id. Only `rate_limited` goes out again by itself: first in line, under a new id.
  nack(id, code, retryAfter = 1) {
    const entry = this.find(id);
    this.#landed(id);
    if (!entry) return;
    if (code === 'rate_limited') {
      entry.id = this.newId();
      this.holdUntil = this.now() + retryAfter * 1000;
    } else {
      entry.failed = code;
    }
    this.#save();
  }

  // Nobody knows: the same id again, later, and everything behind it after it.
  unknown(id, retryAfter = 1) {
    if (!this.find(id)) return;
    this.#landed(id);
    this.holdUntil = this.now() + retryAfter * 1000;
  }

  // The connection is gone; what was under way goes out again under the same id.
  lost() {
    this.flying = null;
  }

  retry(local) {
    const entry = this.entries.find((other) => other.local === local);
    if (!entry?.failed) return;
    delete entry.failed;
    entry.id = this.newId();
    entry.at = this.now();
    this.entries = [...this.entries.filter((other) => other !== entry), entry];
    this.#save();
  }

  discard(local) {
    this.entries = this.entries.filter((entry) => entry.local !== local || !entry.failed);
    this.#save();
  }

  #landed(id) {
    if (this.flying === id) this.flying = null;
  }

  #save() {
    if (this.key === null) return;
    try {
      if (this.entries.length) this.storage.setItem(this.key, JSON.stringify(this.entries));
      else this.storage.removeItem(this.key);
    } catch {
      // Full or forbidden storage: the messages live as long as the page does.
    }
  }
}

function read(storage, key) {
  try {
    const found = JSON.parse(storage.getItem(key) ?? '[]');
    return Array.isArray(found) ? found.filter((e) => e && typeof e.id === 'string' && typeof e.text === 'string') : [];
  } catch {
    return [];
  }
}

function forget(storage, key) {
  try {
    storage.removeItem(key);
  } catch {
    // As above.
  }
}
