// How long to wait before knocking again: full jitter over min(cap, base * 2^k), so that a thousand
// pages that lost one server do not come back in the same instant.

export class Backoff {
  constructor({ base = 1000, cap = 30000, stable = 60000, random = Math.random } = {}) {
    Object.assign(this, { base, cap, stable, random });
    this.tries = 0;
    this.openedAt = null;
  }

  opened(now) {
    this.openedAt = now;
  }

  // A connection that held for a stable minute earns a quick return; one that flaps does not.
  closed(now) {
    if (this.openedAt !== null && now - this.openedAt >= this.stable) this.tries = 0;
    this.openedAt = null;
  }

  next() {
    const ceiling = Math.min(this.cap, this.base * 2 ** this.tries);
    // 2^15 s is far past any cap; the counter stops there so that it never overflows.
    this.tries = Math.min(this.tries + 1, 15);
    return this.random() * ceiling;
  }
}
