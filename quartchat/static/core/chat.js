// A person in a room, without a page around it: the log, the outbox, who is here, and the connection
// that feeds them. Everything that touches the world (sockets, clock, storage, randomness) is passed in.

import { Connection } from './connection.js';
import { keyOf, Log } from './log.js';
import { Outbox } from './outbox.js';
import { Names, Presence, TYPING_EVERY } from './presence.js';

const HISTORY = 50;
const CATCH_UP_WITHIN = 5000; // ms from a ping that names an unseen position to coming back for it
const TOO_BIG = 1009; // close code: the frame under way will be refused for ever
const ACKED_SHOWN = 15000; // ms that an acked message waits at the bottom for its own entry

export class Chat {
  // page: {messages, position} as rendered; identify: async () => {id, name}, asked once where me is null;
  // socket: base address of the room's socket; onChange: something to show; onMessage: a new entry.
  constructor({ room, me, tab, page, identify, socket, storage, newId, clock, random, WebSocket, ...listeners }) {
    Object.assign(this, { room, me: null, tab, identify, socket, clock });
    this.onChange = listeners.onChange ?? (() => {});
    this.onMessage = listeners.onMessage ?? (() => {});
    this.log = new Log();
    this.log.begin(page.messages, page.position);
    this.outbox = new Outbox({ storage, newId, now: clock.now });
    this.presence = new Presence();
    this.names = new Names();
    for (const { user } of page.messages) this.names.see(user);
    this.acked = new Map(); // local -> {entry, until}: stored, but not yet met in the log
    this.limits = {};
    this.downSince = clock.now(); // null while live
    this.trouble = false; // the server is there, but cannot reach the broker
    this.typedAt = -Infinity;
    this.doubted = null; // position named by a ping that this page has not seen
    this.connection = new Connection({
      address: () => this.#address(),
      WebSocket,
      clock,
      random,
      onFrame: (frame) => this.#frame(frame),
      onState: (state) => this.#state(state),
      onTick: () => this.#tick(),
    });
    if (me) this.#become(me);
  }

  start() {
    this.connection.start();
  }

  say(text) {
    const entry = this.outbox.add(text);
    this.#pump();
    this.onChange();
    return entry;
  }

  retry(local) {
    this.outbox.retry(local);
    this.#pump();
    this.onChange();
  }

  discard(local) {
    this.outbox.discard(local);
    this.onChange();
  }

  adopt(key) {
    if (this.outbox.adopt(key)) this.#pump();
    this.onChange();
  }

  typing() {
    const now = this.clock.now();
    if (!this.connection.live || now - this.typedAt < TYPING_EVERY) return;
    this.typedAt = now;
    this.connection.send({ type: 'typing' });
  }

  get stopped() {
    return this.connection.state.name === 'stopped';
  }

  // What stands below the log: own messages that it does not hold yet, in the order of their writing.
  get pending() {
    const state = (entry) => (entry.failed || this.stopped ? 'failed' : 'sending');
    const missing = ({ id }) => !this.log.byKey.has(keyOf(this.me?.id, id));
    const acked = [...this.acked.values()].map(({ entry }) => ({ ...entry, state: 'sent' }));
    const open = this.outbox.entries.map((entry) => ({ ...entry, state: state(entry) }));
    return [...acked, ...open].filter(missing);
  }

  // Older entries from the API, to stand before `anchor`; see Log.insertBefore.
  older(anchor, { messages, complete }) {
    for (const { user } of messages) this.names.see(user);
    const added = this.log.insertBefore(anchor, messages, complete);
    this.onChange();
    return added;
  }

  async #address() {
    if (!this.me) this.#become(await this.identify());
    const resume = this.log.head === null ? { history: HISTORY } : { since: this.log.head };
    return `${this.socket}?${new URLSearchParams({ as: this.me.id, ...resume })}`;
  }

  #become(me) {
    this.me = me;
    this.names.see(me);
    this.outbox.open(outboxPrefix(me.id, this.room) + this.tab);
    this.onChange();
  }

  #state(state) {
    const now = this.clock.now();
    if (state.name === 'live') this.downSince = null;
    else this.downSince ??= now;
    if (state.reason === TOO_BIG) this.outbox.nack(this.outbox.flying, 'too_long');
    this.outbox.lost();
    for (const waiting of this.acked.values()) waiting.until = now + ACKED_SHOWN;
    this.trouble = false;
    this.clock.cancel(this.catchUp);
    this.#pump();
    this.onChange();
  }

  #frame(frame) {
    this[`on_${frame.type}`]?.(frame);
    this.onChange();
  }

  on_welcome(frame) {
    if (frame.you.id !== this.me.id) return this.connection.stop('identity');
    this.durability = frame.durability;
    this.limits = frame.limits ?? {};
    this.me = frame.you;
    this.presence.welcome(frame);
    for (const user of frame.members ?? []) this.names.see(user);
    this.log.welcome(frame);
  }

  on_message(message) {
    this.trouble = false;
    this.names.see(message.user);
    this.presence.spoke(message.user);
    const outcome = this.log.receive(message);
    if (outcome === 'broken') return this.connection.drop('gap');
    if (message.user.id === this.me.id) {
      for (const [local, { entry }] of this.acked) if (entry.id === message.id) this.acked.delete(local);
    }
    if (outcome === 'added') this.onMessage(message);
  }

  on_ack({ id }) {
    this.trouble = false;
    const entry = this.outbox.ack(id);
    if (entry && !this.log.byKey.has(keyOf(this.me.id, id))) {
      this.acked.set(entry.local, { entry, until: this.clock.now() + ACKED_SHOWN });
    }
    this.#pump();
  }

  on_nack({ id, code, retry_after }) {
    this.outbox.nack(id, code, retry_after);
    this.#pump();
  }

  on_unknown({ id, retry_after }) {
    this.trouble = true;
    this.outbox.unknown(id, retry_after);
    this.#pump();
  }

  // The server lost, or found again, what connects it to the other instances.
  on_status({ connected }) {
    this.trouble = connected === false;
  }

  on_reset(frame) {
    this.log.reset(frame);
  }

  on_presence(frame) {
    this.presence.change(frame);
    for (const user of frame.joined ?? []) this.names.see(user);
  }

  on_typing({ user }) {
    this.presence.typed(user, this.clock.now());
  }

  on_ping({ position }) {
    this.connection.send({ type: 'pong' });
    this.#compare(position);
  }

  on_pong({ position }) {
    this.#compare(position);
  }

  // A ping names the top of the log. If that is not what came last here, and does not come soon, come
  // back and ask; once for each such position, for the answer settles it.
  #compare(position) {
    const { log } = this;
    this.clock.cancel(this.catchUp);
    if (!position || log.head === null || position === this.doubted || log.holds(position)) return;
    const head = log.head;
    this.catchUp = this.clock.after(CATCH_UP_WITHIN, () => {
      if (log.head !== head) return;
      this.doubted = position;
      this.connection.drop('behind');
    });
  }

  #pump() {
    this.clock.cancel(this.pumping);
    if (!this.connection?.live) return;
    const entry = this.outbox.next();
    if (entry && this.connection.send({ type: 'send', id: entry.id, message: entry.text })) {
      this.outbox.sent(entry.id);
    } else if (this.outbox.waiting && this.outbox.flying === null) {
      const wait = Math.max(this.outbox.holdUntil - this.clock.now(), 20);
      this.pumping = this.clock.after(wait, () => this.#pump());
    }
  }

  #tick() {
    const now = this.clock.now();
    for (const [local, { until }] of this.acked) if (until <= now) this.acked.delete(local);
    if (this.outbox.overdue()) this.connection.drop('unanswered');
    this.onChange();
  }
}

// Outboxes of one person in one room; the id of the tab follows.
export const outboxPrefix = (userId, room) => `quartchat:outbox:${userId}:${encodeURIComponent(room)}:`;
