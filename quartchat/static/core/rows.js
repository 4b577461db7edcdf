// From the log to the rows of the page, and the part of it that stands there.

import { keyOf } from './log.js';

const MINUTE = 60000;
const dayOfLocal = (ms) => new Date(ms).toDateString();

export function rowsOf(items, pending, me, away = null, dayOf = dayOfLocal) {
	const rows = [];
	let day, before;
	let now = 0;
	const divide = (kind, key, item) => {
		rows.push({ kind, key, item });
		before = null;
	};
	const place = (kind, key, item, user) => {
		// No day comes twice.
		const today = dayOf((now = Math.max(now, item.at)));
		if (today !== day) divide('day', today, item);
		if (away && item === away.first) divide('unread', `unread ${away.n}`, away);
		day = today;
		const minute = Math.floor(item.at / MINUTE);
		const opens = before?.user !== user || before.minute !== minute;
		if (before) before.row.closes = opens;
		const row = { kind, key, item, opens, closes: true };
		rows.push(row);
		before = { user, minute, row };
	};
	for (const item of items) {
		if (item.gap) divide('gap', item.key, item);
		else place('entry', item.key, item, item.user.id);
	}
	for (const item of pending) place('pending', keyOf(me?.id, item.id), item, me?.id);
	return rows;
}

// The rows that are `built` and at most so many more, from where one reads outwards and without a hole:
// whatever comes at once, a frame stays short.
export function portion(rows, at, built, most = 40) {
	const ready = (row) => row && (built.has(row.key) || most-- > 0);
	let from = at, up, down;
	do {
		if ((up = ready(rows[from - 1]))) from--;
		if ((down = ready(rows[at]))) at++;
	} while (up || down);
	return rows.slice(from, at);
}

export class Window {
	first = null;

	constructor(sizes) { Object.assign(this, { size: 200, most: 400, step: 100 }, sizes); }

	range(items) {
		if (this.follows) return { from: Math.max(0, items.length - this.size), to: items.length };
		const from = Math.max(0, items.indexOf(this.first));
		return { from, to: Math.min(items.length, from + this.most) };
	}

	get follows() { return this.first === null; }

	hold(items) { this.first ??= items[this.range(items).from] ?? null; }

	follow() { this.first = null; }

	up(items) {
		const { from } = this.range(items);
		this.first = items[Math.max(0, from - this.step)] ?? null;
		return from > 0;
	}

	down(items) {
		const { from, to } = this.range(items);
		if (to < items.length) this.first = items[Math.min(from + this.step, items.length - this.size)];
		return to < items.length;
	}
}
