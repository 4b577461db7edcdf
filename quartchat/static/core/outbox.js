// What was written and not answered yet: kept, and sent one at a time.

export const ANSWER_WITHIN = 12000;
const STORED_SHOWN = 15000;

export class Outbox {
	key = null;
	entries = [];
	stored = [];
	flying = null;
	holdUntil = 0;

	constructor(parts) { Object.assign(this, parts); }

	open(key) {
		this.key = key;
		this.#keep([...this.#left(key), ...this.entries]);
	}

	adopt(key) {
		const left = this.#left(key).filter(({ id }) => !this.find(id));
		this.entries.splice(this.entries.indexOf(this.find(this.flying)) + 1, 0, ...left);
		this.#keep();
		this.store.set(key, null);
		return left.length;
	}

	add(text, local = this.newId(), id = local) {
		const entry = { local, id, text, at: this.now() };
		this.#keep([...this.entries, entry]);
		return entry;
	}

	find(id) { return this.entries.find((entry) => entry.id === id); }

	pump(send) {
		const entry = this.entries.find(({ failed }) => !failed);
		if (this.flying !== null || !entry) return null;
		const now = this.now();
		if (now < this.holdUntil || !send(entry)) return Math.max(this.holdUntil - now, 20);
		this.flying = entry.id;
		this.since = now;
		return null;
	}

	overdue() { return this.flying !== null && this.now() - this.since > ANSWER_WITHIN; }

	ack(id) {
		const entry = this.#landed(id);
		if (!entry) return null;
		this.stored.push({ ...entry, until: this.now() + STORED_SHOWN });
		this.#keep(this.entries.filter((other) => other !== entry));
		return entry;
	}

	placed(id) { this.stored = this.stored.filter((entry) => entry.id !== id); }

	bubbles(stopped) {
		this.stored = this.stored.filter(({ until }) => until > this.now());
		return [
			...this.stored.map((entry) => ({ ...entry, state: 'sent' })),
			...this.entries.map((entry) => ({ ...entry, state: entry.failed || stopped ? 'failed' : 'sending' })),
		];
	}

	nack(id, code, retryAfter = 1) {
		const entry = this.#landed(id);
		if (!entry) return;
		if (code === 'rate_limited') {
			entry.id = this.newId();
			this.#hold(retryAfter);
		} else entry.failed = code;
		this.#keep();
	}

	unknown(id, retryAfter = 1) { if (this.#landed(id)) this.#hold(retryAfter); }

	lost() {
		this.flying = null;
		for (const entry of this.stored) entry.until = this.now() + STORED_SHOWN;
	}

	retry(local) {
		const entry = this.discard(local);
		if (entry) this.add(entry.text, local, this.newId());
	}

	discard(local) {
		const entry = this.entries.find((other) => other.local === local && other.failed);
		this.#keep(this.entries.filter((other) => other !== entry));
		return entry;
	}

	#landed(id) {
		if (this.flying === id) this.flying = null;
		return this.find(id);
	}

	#hold(seconds) { this.holdUntil = this.now() + seconds * 1000; }

	#left(key) {
		return [this.store.get(key)].flat().filter((e) => typeof e?.id === 'string' && typeof e.text === 'string');
	}

	#keep(entries = this.entries) {
		this.entries = entries;
		if (this.key !== null) this.store.set(this.key, entries.length ? entries : null);
	}
}

export const outboxPrefix = (userId, room) => `quartchat:outbox:${userId}:${encodeURIComponent(room)}:`;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

export function newId(crypto = globalThis.crypto) {
	return Array.from(crypto.getRandomValues(new Uint8Array(22)), (byte) => ALPHABET[byte & 63]).join('');
}
