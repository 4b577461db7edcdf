// One socket's life after another: idle, connecting, live, waiting (until), stopped (code).

import { attempt } from './storage.js';

// Close codes that say: do not come back.
const FINAL = [1003, 1007, 1008, 4401];
const LEAVING = 1012;
const LEFT_WITHIN = 4000;
const CAP = 30000;
const STABLE = 60000;
const HURRY_WITHIN = 300;
const WELCOME_WITHIN = 15000;
const SILENCE = 32000;
const PROBE_WITHIN = 10000;
const CHECK_EVERY = 2500;

export class Connection {
	socket = null;
	turn = 0;
	state = { name: 'idle' };
	tries = 0;

	constructor(parts) { Object.assign(this, parts); }

	get live() { return this.state.name === 'live'; }

	start() { if (this.state.name === 'idle') this.#connect(); }

	send(frame) {
		if (this.socket?.readyState !== 1) return false;
		this.socket.send(JSON.stringify(frame));
		return true;
	}

	drop(reason) {
		if (!this.live && this.state.name !== 'connecting') return;
		this.#abandon();
		if (this.clock.now() - this.liveSince >= STABLE) this.tries = 0;
		this.liveSince = Infinity;
		const most = Math.min(reason === LEAVING ? LEFT_WITHIN : CAP, 1000 * 2 ** Math.min(this.tries++, 5));
		this.#wait(this.random() * most, reason);
	}

	hurry() {
		const { name, until, reason } = this.state;
		if (name !== 'waiting') return;
		this.clock.cancel(this.timer);
		this.#wait(Math.min(until - this.clock.now(), this.random() * HURRY_WITHIN), reason);
	}

	nudge() { if (this.live && this.clock.now() - this.heard > 5000) this.#probe(PROBE_WITHIN / 2); }

	stop(code, reason) {
		this.#abandon();
		this.#become({ name: 'stopped', code, reason });
	}

	#wait(ms, reason) {
		this.#become({ name: 'waiting', until: this.clock.now() + ms, reason });
		this.timer = this.clock.after(ms, () => this.#connect());
	}

	async #connect() {
		const turn = ++this.turn;
		this.probing = Infinity;
		this.heard = this.clock.now();
		this.#become({ name: 'connecting' });
		this.#look();
		try {
			const address = await this.address();
			if (turn !== this.turn) return;
			const socket = (this.socket = new this.WebSocket(address, ['quartchat.v1']));
			socket.onmessage = ({ data }) => socket === this.socket && this.#hear(data);
			socket.onclose = ({ code, reason }) => socket === this.socket && (FINAL.includes(code) ? this.stop(code, reason) : this.drop(code));
		} catch (error) {
			if (turn === this.turn) this.drop(error.message);
		}
	}

	#hear(data) {
		this.heard = this.clock.now();
		this.probing = Infinity;
		const frame = attempt(() => JSON.parse(data));
		if (!frame?.type) return;
		const welcome = frame.type === 'welcome';
		if (welcome) this.liveSince = this.heard;
		this.onFrame(frame);
		if (welcome && this.state.name === 'connecting') this.#become({ name: 'live' });
	}

	#look() {
		this.watch = this.clock.after(CHECK_EVERY, () => {
			this.#look();
			const now = this.clock.now();
			const silent = now - this.heard;
			if ((!this.live && silent > WELCOME_WITHIN) || now > this.probing) return this.drop('silent');
			if (this.live && silent > SILENCE) this.#probe(PROBE_WITHIN);
			this.onTick?.();
		});
	}

	#probe(within) {
		if (this.probing < Infinity) return;
		this.probing = this.clock.now() + within;
		this.send({ type: 'ping' });
	}

	#abandon() {
		this.turn++;
		this.clock.cancel(this.timer);
		this.clock.cancel(this.watch);
		this.socket?.close();
		this.socket = null;
	}

	#become(state) {
		this.state = state;
		this.onState(state);
	}
}
