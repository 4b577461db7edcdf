// The room's log as this page knows it: entries in the server's order, one for each (sender, id).
//
// `head` is the position of the last entry that the server delivered here; it is what `since` says
// on the way back. Every entry names its predecessor (`prev`), and an entry that does not continue
// from `head` is not taken: the page reconnects from `head` instead. Positions are only ever compared
// for equality.
//
// Items are entries {key, position, prev, id, user, text, time} and gaps {key, gap: reason, closed}.

export const keyOf = (userId, id) => `${userId} ${id}`;

export class Log {
  constructor({ bound = 5000 } = {}) {
    this.bound = bound; // items kept in memory; the oldest go first
    this.items = [];
    this.byKey = new Map();
    this.head = null;
    this.headIsEntry = false; // false where head only says "an empty log, up to here"
    this.unchained = true; // the next entry starts a new chain: its prev is not compared
    this.proven = false; // the server has just vouched for continuity from head
    this.mendedAt = undefined; // the head from which a reconnect was already tried for a wrong prev
    this.renewing = null; // after a reset: how far the known rows have been met again, in order
    this.exhausted = false; // nothing older is left to ask for
    this.gaps = 0;
  }

  // What the server rendered into the page: the newest entries and the top of the log.
  begin(messages, position) {
    for (const message of messages) this.#append(message);
    const last = messages.at(-1);
    this.head = last ? last.position : position;
    this.headIsEntry = Boolean(last);
    this.unchained = this.head === null;
  }

  welcome({ resumed }) {
    this.unchained = resumed !== true;
    this.proven = resumed === true;
    // History was asked for although rows stand here: only after a reset, so the divider is there.
    if (resumed === null && this.items.length) this.#gap('unproven');
  }

  // 'added', 'known' (nothing to show), or 'broken': not taken, come back with since=head.
  receive(message) {
    const known = this.byKey.get(keyOf(message.user.id, message.id));
    if (!this.#continues(message.prev)) {
      if (known && known.position === message.position) return 'known'; // merely repeated
      if (this.mendedAt !== this.head) {
        this.mendedAt = this.head;
        return 'broken';
      }
      this.#gap('prev'); // coming back did not mend it: say so rather than go round for ever
    }
    this.head = message.position;
    this.headIsEntry = true;
    this.unchained = false;
    this.proven = false;
    if (!known) {
      if (this.renewing !== null) this.renewing = Infinity;
      this.#append(message);
      return 'added';
    }
    known.position = message.position;
    known.prev = message.prev;
    return this.#meetAgain(known);
  }

  // What was shown stays; what follows may not continue it. head is forgotten, so that losing the
  // connection before the first entry asks for history and not for "after a log that is gone".
  reset({ reason }) {
    this.head = null;
    this.headIsEntry = false;
    this.unchained = true;
    this.renewing = -1;
    this.#gap(reason);
  }

  // Is this position the last one met, or that of one of the newest entries?
  holds(position) {
    return position === this.head || this.items.slice(-50).some((item) => item.position === position);
  }

  get firstEntry() {
    return this.items.find((item) => !item.gap);
  }

  // Nothing older can be had.
  get complete() {
    return this.exhausted || this.firstEntry?.prev === null;
  }

  // The first entry below a divider.
  entryAfter(gap) {
    return this.items.find((item, at) => !item.gap && this.items[at - 1] === gap);
  }

  // May there be older entries to load directly below a divider?
  canFill(gap) {
    return !gap.closed && Boolean(this.entryAfter(gap)?.prev);
  }

  // Older entries, oldest first, to stand directly before `anchor`. Returns how many were new.
  insertBefore(anchor, messages, complete) {
    const above = this.items.slice(0, this.items.indexOf(anchor)).findLast((item) => item.gap);
    const fresh = messages.filter((m) => !this.byKey.has(keyOf(m.user.id, m.id)));
    const entries = fresh.map((message) => this.#entry(message));
    this.items.splice(this.items.indexOf(anchor), 0, ...entries);
    const ended = !messages.length || !complete || fresh.length < messages.length;
    if (above) above.closed = above.closed || ended || messages[0].prev === null;
    else this.exhausted = ended;
    return entries.length;
  }

  #continues(prev) {
    if (this.unchained || prev === this.head) return true;
    // null: the oldest that the server can know. Fine where it has just proved continuity (what
    // stood before has left the window) and in a log that was empty; else ask it to prove it.
    return prev === null && (this.proven || !this.headIsEntry);
  }

  #entry({ position, prev, id, user, message, time }) {
    const entry = { key: keyOf(user.id, id), position, prev, id, user, text: message, time };
    this.byKey.set(entry.key, entry);
    return entry;
  }

  #append(message) {
    if (this.byKey.has(keyOf(message.user.id, message.id))) return;
    this.items.push(this.#entry(message));
    this.#trim();
  }

  #trim() {
    if (this.items.length <= this.bound) return;
    for (const item of this.items.splice(0, this.items.length - this.bound)) this.byKey.delete(item.key);
    this.exhausted = false;
  }

  #gap(reason) {
    const last = this.items.at(-1);
    if (last?.gap) last.gap = reason;
    else this.items.push({ key: `gap ${++this.gaps}`, gap: reason, closed: false });
  }

  // After a reset the retained page repeats entries that are shown already. While they come in the
  // order in which they stand, they stay. Once something new stands below the divider, the server's
  // order rules there, and an entry that turns up again moves down to its place in it.
  #meetAgain(known) {
    if (this.renewing === null) return 'known';
    const at = this.items.indexOf(known);
    if (this.renewing !== Infinity && at > this.renewing) {
      this.renewing = at;
      return 'known';
    }
    if (this.renewing === Infinity && at > this.items.findLastIndex((item) => item.gap)) return 'known';
    this.renewing = Infinity;
    this.items.splice(at, 1);
    this.items.push(known);
    return 'added';
  }
}
