// A person in a room, without a page around it: the log, the outbox, who is here, and the connection
// that feeds them. Everything that touches the world (sockets, clock, storage, randomness) is passed in.

import { CatchUp } from './catch-up.js';
import { Connection } from './connection.js';
import { keyOf, Log } from './log.js';
import { Outbox, outboxPrefix } from './outbox.js';
import { Names, Presence, TYPING_EVERY } from './presence.js';

const HISTORY = 50;
const TOO_BIG = 1009; // close code: the frame under way will be refused for ever

export class Chat {
  // page: {messages, position} as rendered; identify: async () => {id, name}, asked once where me is null;
  // socket: base address of the room's socket; onChange: something to show; onMessage: a new entry.
  constructor({ room, me, tab, page, identify, socket, storage, newId, clock, random, WebSocket, onChange, onMessage }) {
    Object.assign(this, { room, me: null, tab, identify, socket, clock, onChange, onMessage });
    this.log = new Log();
    this.log.begin(page.messages, page.position);
    this.outbox = new Outbox({ storage, newId, now: clock.now });
    Object.assign(this, { presence: new Presence(), names: new Names() });
    for (const { user } of page.messages) this.names.see(user);
    this.limits = {};
    this.downSince = clock.now(); // null while live
    this.trouble = false; // the server is there, but cannot reach the broker
    this.typedAt = -Infinity;
    this.catchUp = new CatchUp({ log: this.log, clock, comeBack: () => this.connection.drop('behind') });
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
    return this.#write(() => this.outbox.add(text));
  }

  retry(local) {
    this.#write(() => this.outbox.retry(local));
  }

  discard(local) {
    this.#write(() => this.outbox.discard(local));
  }

  adopt(key) {
    this.#write(() => this.outbox.adopt(key));
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
    return this.outbox.bubbles(this.stopped).filter(({ id }) => !this.#holds(id));
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
    this.downSince = state.name === 'live' ? null : (this.downSince ?? this.clock.now());
    if (state.reason === TOO_BIG) this.outbox.nack(this.outbox.flying, 'too_long');
    this.outbox.lost();
    this.catchUp.cancel();
    this.trouble = false;
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
    if (message.user.id === this.me.id) this.outbox.placed(message.id);
    if (outcome === 'added') this.onMessage(message);
  }

  on_ack({ id }) {
    this.trouble = false;
    this.outbox.ack(id);
    if (this.#holds(id)) this.outbox.placed(id);
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

  on_ping(frame) {
    this.connection.send({ type: 'pong' });
    this.on_pong(frame);
  }

  on_pong({ position }) {
    this.catchUp.compare(position);
  }

  #write(change) {
    const result = change();
    this.#pump();
    this.onChange();
    return result;
  }

  #holds(id) {
    return this.log.byKey.has(keyOf(this.me?.id, id));
  }

  #pump() {
    this.clock.cancel(this.pumping);
    if (!this.connection?.live) return;
    const wait = this.outbox.pump(({ id, text }) => this.connection.send({ type: 'send', id, message: text }));
    if (wait !== null) this.pumping = this.clock.after(wait, () => this.#pump());
  }

  #tick() {
    this.outbox.forgetStored();
    if (this.outbox.overdue()) this.connection.drop('unanswered');
    this.onChange();
  }
}
