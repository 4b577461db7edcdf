// A small world for the client: a clock that only moves when told, storage, and a server that keeps one
// room as the protocol says, over a link that loses, repeats and cuts whatever the test wants.

import { kept } from '../../quartchat/static/core/storage.js';

export function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Clock {
  time = 1_000_000;
  queue = [];
  order = 0;
  now = () => this.time;

  after = (ms, fn) => {
    const timer = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.queue.push(timer);
    return timer;
  };

  cancel = (timer) => {
    this.queue = this.queue.filter((other) => other !== timer);
  };

  // Runs what is due within `ms`, letting promises settle between two timers.
  async run(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = this.queue.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      this.cancel(due);
      this.time = Math.max(this.time, due.at);
      due.fn();
    }
    this.time = end;
    await settle();
  }
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await null;
};

export class Storage {
  items = new Map();
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => void this.items.set(key, String(value));
  removeItem = (key) => void this.items.delete(key);
}

export const store = (storage = new Storage()) => kept(() => storage);

export function counter(prefix) {
  let n = 0;
  return () => `${prefix}${++n}`;
}

// Faults are probabilities for each frame: loseIn (client to server), loseOut, cut (connection dies
// with the frame), repeat, unknown (the answer, not the storing), limited (a nack for the rate), late (up to 20 s,
// and whatever comes after it on that link; what a page sent arrives even when it has given up the link since).
export class Server {
  constructor({ clock, random = Math.random, faults = {}, window = 1000 }) {
    Object.assign(this, { clock, random, faults, window });
    this.epoch = 1;
    this.entries = [];
    this.nacked = new Set();
    this.sockets = new Set();
    this.up = true;
    this.seen = []; // every frame received
  }

  at = (index) => (index < 0 ? `e${this.epoch}-none` : this.entries[index].position);
  get top() {
    return this.at(this.entries.length - 1);
  }

  wipe() {
    this.epoch++;
    this.entries = [];
    for (const socket of [...this.sockets]) {
      socket.deliver({ type: 'reset', reason: 'epoch', position: this.top });
    }
  }

  // The last entries are forgotten, and their offsets used again: a broker back from a snapshot.
  rollBack(n) {
    this.entries = this.entries.slice(0, -n);
    this.epoch++;
    for (const entry of this.entries) entry.prev = null;
    this.entries.forEach((entry, i) => {
      entry.position = `e${this.epoch}-${i}`;
      entry.prev = i ? `e${this.epoch}-${i - 1}` : null;
    });
    for (const socket of [...this.sockets]) {
      socket.deliver({ type: 'reset', reason: 'epoch', position: this.top });
      for (const entry of this.entries.slice(-50)) socket.deliver(this.frame(entry));
    }
  }

  cutAll(code = 1006) {
    for (const socket of [...this.sockets]) socket.die(code);
  }

  frame = (entry) => ({ type: 'message', ...entry });

  post(user, id, message, more = {}) {
    const known = this.entries.find((e) => e.user.id === user.id && e.id === id);
    if (known) return known;
    const index = this.entries.length;
    const entry = {
      position: `e${this.epoch}-${index}`,
      prev: index ? this.entries[index - 1].position : null,
      id,
      message,
      user,
      time: new Date(this.clock.now()).toISOString(),
      ...more,
    };
    this.entries.push(entry);
    for (const socket of [...this.sockets]) socket.deliver(this.frame(entry));
    return entry;
  }

  // As an owner does: the text is gone from the log, and a tombstone says so to whoever has it.
  remove(user, position) {
    const target = this.entries.find((entry) => entry.position === position);
    Object.assign(target, { message: '', deleted: true });
    this.post(user, `deletes-${position}`, '', { deletes: position });
  }

  socketClass(user, names = {}) {
    const server = this;
    return class extends Link {
      constructor(url, protocols) {
        super(server, { id: user, name: names[user] ?? user }, url, protocols);
      }
    };
  }
}

class Link {
  constructor(server, you, url, protocols) {
    Object.assign(this, { server, you, protocols, readyState: 0 });
    this.query = new URL(url).searchParams;
    server.clock.after(5, () => (server.up ? this.open() : this.die(1006)));
  }

  open() {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    const { server } = this;
    server.sockets.add(this);
    const since = this.query.get('since');
    let start = server.entries.length - Number(this.query.get('history') ?? 50);
    let resumed = null;
    if (since !== null) {
      const index = server.entries.findIndex((e) => e.position === since);
      resumed = index >= 0 || since === `e${server.epoch}-none`;
      if (resumed) start = index + 1;
      else start = server.entries.length - 50;
    }
    this.raw({ type: 'welcome', room: 'r', you: this.you, position: server.top, resumed, durability: 'D1', count: 1, members: [this.you], limits: { message_bytes: 8192, rate: 10 } });
    if (resumed === false) this.raw({ type: 'reset', reason: 'epoch', position: server.top });
    for (const entry of server.entries.slice(Math.max(0, start))) this.raw(server.frame(entry));
  }

  chance(name) {
    return this.server.random() < (this.server.faults[name] ?? 0);
  }

  // With faults: a frame that is lost takes its connection with it sooner or later (TCP has no holes),
  // here at once or after some more loss.
  deliver(frame) {
    if (this.readyState !== 1 || this.deaf) return;
    if (this.chance('cut')) return this.die(1006);
    if (this.chance('deaf')) this.deaf = true;
    if (this.chance('loseOut')) return; // a server that is wrong: prev must catch it
    this.raw(frame);
    if (this.chance('repeat')) this.raw(frame);
  }

  raw(frame) {
    const data = JSON.stringify(frame);
    const delay = this.server.random() * (this.chance('late') ? 20_000 : 20);
    const at = (this.last = Math.max(this.last ?? 0, this.server.clock.now() + delay));
    this.server.clock.after(at - this.server.clock.now(), () => {
      if (this.readyState !== 1 || !this.onmessage) return;
      if (frame.type === 'nack') this.server.nacked.add(`${this.you.id} ${frame.id}`); // it was heard
      this.onmessage({ data });
    });
  }

  send(data) {
    if (this.readyState !== 1) throw new Error('not open');
    const { clock, random } = this.server;
    const late = this.chance('late');
    const at = (this.lastIn = Math.max(this.lastIn ?? 0, clock.now() + (late ? random() * 20_000 : 3)));
    clock.after(at - clock.now(), () => (late || this.readyState === 1) && this.take(JSON.parse(data)));
  }

  take(frame) {
    const { server } = this;
    server.seen.push(frame);
    if (frame.type === 'ping') return this.deliver({ type: 'pong', position: server.top });
    if (frame.type !== 'send' || this.chance('loseIn')) return;
    const key = `${this.you.id} ${frame.id}`;
    if (server.nacked.has(key)) throw new Error(`a nacked id came again: ${key}`);
    const stored = server.entries.some((e) => e.user.id === this.you.id && e.id === frame.id);
    if (!stored && this.chance('limited')) {
      return this.raw({ type: 'nack', id: frame.id, code: 'rate_limited', detail: '', retry_after: 0.3 });
    }
    if (this.chance('unknown')) {
      if (this.chance('storedAnyway')) server.post(this.you, frame.id, frame.message);
      return this.raw({ type: 'unknown', id: frame.id, retry_after: 0.2 });
    }
    const entry = server.post(this.you, frame.id, frame.message);
    this.deliver({ type: 'ack', id: frame.id, position: entry.position });
  }

  die(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.sockets.delete(this);
    this.onclose?.({ code });
  }

  close() {
    this.readyState = 3;
    this.server.sockets.delete(this);
  }
}
