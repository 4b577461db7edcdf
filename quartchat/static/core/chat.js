// A person in a room, without a page around it; what touches the world is passed in.

import { Connection } from './connection.js';
import { keyOf, Log } from './log.js';
import { Outbox, outboxPrefix } from './outbox.js';
import { Names, Presence, TYPING_EVERY } from './presence.js';

const HISTORY = 50;
// Close code: the frame under way will be refused for ever.
const TOO_BIG = 1009;
// Milliseconds.
const ON_ITS_WAY = 5000;

export class Chat {
	log = new Log();
	presence = new Presence();
	names = new Names();
	trouble = false;
	typedAt = -Infinity;
	doubted;
	top = null;

	constructor({ me, page, store, newId, clock, random, WebSocket, ...parts }) {
		Object.assign(this, parts, { clock, me: null });
		this.log.begin(page.messages, page.position);
		this.#see(page.messages.map(({ user }) => user));
		this.outbox = new Outbox({ store, newId, now: clock.now });
		this.downSince = clock.now();
		const on = { onFrame: (frame) => this.#frame(frame), onState: (state) => this.#state(state), onTick: () => this.#tick() };
		this.connection = new Connection({ address: () => this.#address(), WebSocket, clock, random, ...on });
		if (me) this.#become(me);
	}

	say(text) { return this.write('add', text); }

	write(verb, what) {
		const result = this.outbox[verb](what);
		this.#pump();
		this.onChange();
		return result;
	}

	typing() {
		const now = this.clock.now();
		if (!this.connection.live || now - this.typedAt < TYPING_EVERY) return;
		this.typedAt = now;
		this.connection.send({ type: 'typing' });
	}

	get stopped() { return this.connection.state.name === 'stopped'; }

	get pending() { return this.outbox.bubbles(this.stopped).filter(({ id }) => !this.#holds(id)); }

	older(answer) {
		this.#see(answer.messages.map(({ user }) => user));
		this.log.older(answer);
	}

	async #address() {
		if (!this.me) this.#become(await this.identify());
		const resume = this.log.head === null ? { history: HISTORY } : { since: this.log.head };
		return `${this.socket}?${new URLSearchParams({ as: this.me.id, ...resume })}`;
	}

	#become(me) {
		// A late answer.
		if (this.me) return;
		this.me = me;
		this.#see([me]);
		this.outbox.open(outboxPrefix(me.id, this.room) + this.tab);
		this.onChange();
	}

	#see(users = []) { for (const user of users) this.names.see(user); }

	#state(state) {
		this.downSince = state.name === 'live' ? null : (this.downSince ?? this.clock.now());
		if (state.reason === TOO_BIG) this.outbox.nack(this.outbox.flying, 'too_long');
		this.outbox.lost();
		this.clock.cancel(this.doubting);
		this.trouble = false;
		this.#pump();
		this.onChange();
	}

	#frame(frame) {
		this[`on_${frame.type}`]?.(frame);
		this.onChange();
	}

	on_welcome(frame) {
		if (frame.you.id !== this.me.id) return this.connection.stop(4401);
		this.me = frame.you;
		this.presence.welcome(frame);
		this.#see(frame.members);
		this.log.welcome(frame);
		this.top = frame.position === this.log.head ? null : frame.position;
	}

	on_message(message) {
		this.trouble = false;
		this.#see([message.user]);
		this.presence.spoke(message.user);
		const outcome = this.log.receive(message);
		// The position that an empty room is welcomed with is that of no entry: its first one comes after it.
		if (message.position === this.top || (outcome === 'added' && message.prev === null)) this.top = null;
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

	on_status({ connected }) { this.trouble = connected === false; }

	on_reset(frame) { this.log.reset(frame); }

	on_presence(frame) {
		this.presence.change(frame);
		this.#see(frame.joined);
	}

	on_typing({ user }) { this.presence.typed(user, this.clock.now()); }

	on_ping(frame) {
		this.connection.send({ type: 'pong' });
		this.on_pong(frame);
	}

	on_pong({ position }) {
		this.clock.cancel(this.doubting);
		const { log, log: { head } } = this;
		if (!position || head === null || position === this.doubted || log.holds(position)) return;
		this.doubting = this.clock.after(ON_ITS_WAY, () => {
			if (log.head !== head) return;
			this.doubted = position;
			this.connection.drop('behind');
		});
	}

	#holds(id) { return this.log.byKey.has(keyOf(this.me?.id, id)); }

	#pump() {
		this.clock.cancel(this.pumping);
		if (!this.connection?.live) return;
		const wait = this.outbox.pump(({ id, text }) => this.connection.send({ type: 'send', id, message: text }));
		if (wait !== null) this.pumping = this.clock.after(wait, () => this.#pump());
	}

	#tick() {
		if (this.outbox.overdue()) this.connection.drop('unanswered');
		this.onChange();
	}
}
