// The room's log in the server's order, one entry for each (sender, id).

export const keyOf = (userId, id) => `${userId} ${id}`;
const keyFor = ({ user, id }) => keyOf(user.id, id);
const wipe = (item) => Object.assign(item, { text: '', deleted: true, called: false });

export class Log {
	items = [];
	byKey = new Map();
	head = null;
	headIsEntry = false;
	unchained = true;
	proven = false;
	mendedAt;
	renewing = null;
	exhausted = false;
	gaps = 0;
	// Positions of tombstones, and of what they removed.
	gone = new Set();
	// Where what was loaded begins, if with a tombstone.
	edge = null;

	constructor({ bound = 10000 } = {}) { this.bound = bound; }

	begin(messages, position) {
		for (const message of messages) this.#append(message);
		const last = messages.at(-1);
		this.head = position ?? last?.position ?? null;
		this.headIsEntry = Boolean(last);
		this.unchained = this.head === null;
		if (!last && position) this.edge = { position };
	}

	welcome({ resumed }) {
		this.proven = resumed === true;
		this.unchained = !this.proven;
		if (resumed === null && this.items.length) this.#gap('unproven');
	}

	receive(message) {
		const known = this.#known(message);
		if (!this.#continues(message.prev)) {
			if (known?.position === message.position) return 'known';
			if (this.mendedAt !== this.head) {
				this.mendedAt = this.head;
				return 'broken';
			}
			// Coming back did not mend it: say so rather than go round for ever.
			this.#gap('prev');
		}
		this.head = message.position;
		this.headIsEntry = true;
		this.unchained = this.proven = false;
		if (this.#bury(message)) return 'removed';
		if (known) {
			known.position = message.position;
			known.prev = message.prev;
			return this.#meetAgain(known);
		}
		if (this.renewing !== null) this.renewing = Infinity;
		this.#append(message);
		return 'added';
	}

	reset({ reason }) {
		this.head = null;
		this.headIsEntry = false;
		this.unchained = true;
		this.renewing = -1;
		this.#gap(reason);
	}

	holds(position) {
		return position === this.head || this.items.slice(-50).some((item) => item.position === position);
	}

	get firstEntry() { return this.items.find((item) => !item.gap); }

	get oldest() { return this.edge ?? this.firstEntry; }

	get complete() { return this.exhausted || this.oldest?.prev === null; }

	older({ messages, complete }) {
		const fresh = messages.filter((message) => !this.#known(message));
		const shown = fresh.filter((message) => !this.#bury(message));
		this.items.splice(this.items.indexOf(this.firstEntry), 0, ...shown.map((message) => this.#entry(message)));
		this.exhausted = !complete || !messages.length || fresh.length < messages.length;
		this.edge = messages[0]?.deletes ? messages[0] : null;
		return shown.length;
	}

	#known(message) {
		const known = this.byKey.get(keyFor(message));
		if (known && message.deleted) wipe(known);
		return message.deletes ? this.gone.has(message.position) && message : known;
	}

	#bury(message) {
		const { deletes, position } = message;
		if (!deletes) return false;
		if (!this.firstEntry) this.edge ??= message;
		this.gone.add(position).add(deletes);
		const item = this.items.findLast((each) => each.position === deletes);
		if (item) wipe(item);
		return true;
	}

	#continues(prev) {
		if (this.unchained || prev === this.head) return true;
		return prev === null && (this.proven || !this.headIsEntry);
	}

	#entry({ message: text, time, ...rest }) {
		const entry = { ...rest, key: keyFor(rest), text, time, at: Date.parse(time) };
		this.byKey.set(entry.key, entry);
		return entry.deleted || this.gone.has(entry.position) ? wipe(entry) : entry;
	}

	#append(message) {
		if (this.byKey.has(keyFor(message))) return;
		this.items.push(this.#entry(message));
		if (this.items.length <= this.bound) return;
		for (const item of this.items.splice(0, this.items.length - this.bound)) this.byKey.delete(item.key);
		this.exhausted = false;
		this.edge = null;
	}

	#gap(reason) {
		const last = this.items.at(-1);
		if (last?.gap) last.gap = reason;
		else this.items.push({ key: `gap ${++this.gaps}`, gap: reason });
	}

	#meetAgain(known) {
		if (this.renewing === null) return 'known';
		const at = this.items.indexOf(known);
		if (at > this.renewing) {
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
