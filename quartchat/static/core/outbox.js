// What this person wrote and the server has not answered for. Kept in storage, so that it outlives a
// reload; sent strictly one at a time, because only then does an answer to the first decide before
// the second is on its way, and order survives a nack, an `unknown` and a lost connection alike.
//
// Entries: {local, id, text, at, failed?}. `id` is what the server knows; it changes when a refused
// message is tried again, since a nacked id is spent. `local` never changes: it is the bubble's name.

export const ANSWER_WITHIN = 12000; // ms; the server promises an answer within 10 s
const STORED_SHOWN = 15000; // ms that an acked message waits at the bottom for its own entry

export class Outbox {
  constructor({ storage, newId, now }) {
    Object.assign(this, { storage, newId, now });
    this.key = null;
    this.entries = [];
    this.stored = []; // acked, but not yet met in the log: {...entry, until}
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

  // The entry to put on the wire now, or null. Whoever sends it says `sent`.
  next() {
    if (this.flying !== null || this.now() < this.holdUntil) return null;
    return this.entries.find((entry) => !entry.failed) ?? null;
  }

  sent(id) {
    this.flying = id;
    this.flyingSince = this.now();
  }

  // Sends what may go now. Answers after how many ms to try again; null: when something happens.
  pump(send) {
    const entry = this.next();
    if (entry && send(entry)) this.sent(entry.id);
    return this.flying === null && this.waiting ? Math.max(this.holdUntil - this.now(), 20) : null;
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
    this.stored.push({ ...entry, until: this.now() + STORED_SHOWN });
    this.#save();
    return entry;
  }

  // It stands in the log: no bubble of its own any more.
  placed(id) {
    this.stored = this.stored.filter((entry) => entry.id !== id);
  }

  // Whose entry did not come stands further up than this page reaches.
  forgetStored() {
    this.stored = this.stored.filter((entry) => entry.until > this.now());
  }

  // The bubbles below the log, in the order of writing. `stopped`: nothing will be sent any more.
  bubbles(stopped) {
    const state = (entry) => (entry.failed || stopped ? 'failed' : 'sending');
    const open = this.entries.map((entry) => ({ ...entry, state: state(entry) }));
    return [...this.stored.map((entry) => ({ ...entry, state: 'sent' })), ...open];
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

  // The connection is gone (or new); what was under way goes out again under the same id.
  lost() {
    this.flying = null;
    for (const entry of this.stored) entry.until = this.now() + STORED_SHOWN;
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

// Outboxes of one person in one room; the id of the tab follows.
export const outboxPrefix = (userId, room) => `quartchat:outbox:${userId}:${encodeURIComponent(room)}:`;

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
