// One socket's life after another: connect, notice that it died, wait, come back.
//
// States: {name: 'idle' | 'connecting' | 'live' | 'waiting' (until) | 'stopped' (code)}, each with
// `since`. 'live' begins with the server's welcome, not with the open socket. A socket that was given up is
// never listened to again, whatever it still delivers.

import { Backoff } from './backoff.js';

export const PROTOCOL = 'quartchat.v1';
const SESSION_CHANGED = 4401;
const WELCOME_WITHIN = 15000;
const SILENCE = 32000; // the server speaks at least every 25 s or so
const PROBE_WITHIN = 10000;
const CHECK_EVERY = 2500;

export class Connection {
  // address: async () => url; clock: {now, after(ms, fn) -> handle, cancel(handle)}
  constructor({ address, WebSocket, clock, random, onFrame, onState, onTick = () => {} }) {
    Object.assign(this, { address, WebSocket, clock, onFrame, onState, onTick });
    this.backoff = new Backoff({ random });
    this.socket = null;
    this.timer = null;
    this.watch = null;
    this.turn = 0; // counts connections; callbacks of an earlier turn are ignored
    this.state = { name: 'idle', since: clock.now() };
  }

  get live() {
    return this.state.name === 'live';
  }

  start() {
    if (this.state.name === 'idle') this.#connect();
  }

  send(frame) {
    if (!this.socket || this.socket.readyState !== 1) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  // Leave this socket and come back after the usual wait.
  drop(reason) {
    if (this.state.name !== 'live' && this.state.name !== 'connecting') return;
    this.#abandon();
    this.backoff.closed(this.clock.now());
    const wait = this.backoff.next();
    this.#become({ name: 'waiting', until: this.clock.now() + wait, reason });
    this.timer = this.clock.after(wait, () => this.#connect());
  }

  // "try now", and the browser's `online` event.
  hurry() {
    if (this.state.name === 'waiting') this.#connect();
  }

  // After sleep or a change of network: is the other side still there?
  nudge() {
    if (this.live && this.clock.now() - this.heard > 5000) this.#probe(PROBE_WITHIN / 2);
  }

  stop(code) {
    this.#abandon();
    this.#become({ name: 'stopped', code });
  }

  async #connect() {
    this.clock.cancel(this.timer);
    const turn = ++this.turn;
    this.probing = null;
    this.heard = this.clock.now();
    this.#become({ name: 'connecting' });
    this.#look(turn);
    let socket;
    try {
      const address = await this.address();
      if (turn !== this.turn) return;
      socket = new this.WebSocket(address, [PROTOCOL]);
    } catch (error) {
      if (turn === this.turn) this.drop(error?.message ?? 'unreachable');
      return;
    }
    this.socket = socket;
    socket.onmessage = ({ data }) => turn === this.turn && this.#hear(data);
    socket.onclose = ({ code }) => {
      if (turn !== this.turn) return;
      if (code === SESSION_CHANGED) this.stop(code);
      else this.drop(code);
    };
  }

  #hear(data) {
    this.heard = this.clock.now();
    this.probing = null;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    if (frame === null || typeof frame !== 'object') return;
    if (frame.type === 'welcome') this.backoff.opened(this.heard);
    this.onFrame(frame);
    if (frame.type === 'welcome' && this.state.name === 'connecting') this.#become({ name: 'live' });
  }

  #look(turn) {
    this.watch = this.clock.after(CHECK_EVERY, () => {
      if (turn !== this.turn) return;
      const now = this.clock.now();
      if (this.state.name === 'connecting' && now - this.state.since > WELCOME_WITHIN) return this.drop('no welcome');
      if (this.probing && now > this.probing) return this.drop('silent');
      if (this.live && !this.probing && now - this.heard > SILENCE) this.#probe(PROBE_WITHIN);
      this.onTick();
      if (turn === this.turn) this.#look(turn);
    });
  }

  #probe(within) {
    this.probing ??= this.clock.now() + within;
    this.send({ type: 'ping' });
  }

  #abandon() {
    this.turn++;
    this.clock.cancel(this.timer);
    this.clock.cancel(this.watch);
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state) {
    this.state = { ...state, since: this.clock.now() };
    this.onState(this.state);
  }
}
