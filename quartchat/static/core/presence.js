// Who is here and who is typing, and how people are told apart.

// Milliseconds. One that comes within three seconds is not told by the server: a network may bring two closer
// together than they were sent.
const TYPING_SHOWN = 6000;
const LISTED = 200;
export const TYPING_EVERY = 4000;

export class Presence {
	count = 0;
	members = new Map();
	typing = new Map();

	welcome({ count = 0, members = [] }) {
		this.count = count;
		this.members = new Map(members.map(({ id, name }) => [id, name]));
		this.typing.clear();
	}

	change({ count, joined = [], left = [] }) {
		for (const { id, name } of joined) this.members.set(id, name);
		for (const { id } of left) {
			this.members.delete(id);
			this.spoke({ id });
		}
		if (count > LISTED) this.members.clear();
		this.count = count ?? this.members.size;
	}

	roster(me) {
		const people = [...this.members].map(([id, name]) => ({ id, name, me: id === me?.id }));
		people.sort((a, b) => b.me - a.me || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
		return { people, others: Math.max(0, this.count - people.length) };
	}

	typed(user, now) { this.typing.set(user.id, { user, until: now + TYPING_SHOWN }); }

	spoke({ id }) { this.typing.delete(id); }

	typists(now, me) {
		return [...this.typing.values()].filter(({ user, until }) => until > now && user.id !== me?.id).map(({ user }) => user);
	}
}

export function hueOf(id) {
	let sum = 7;
	for (const c of id) sum = (sum * 31 + HASHED.indexOf(c)) % 9973;
	return sum % 12;
}
const HASHED = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';

export const tagOf = (id) => id.slice(-4);

const plain = (text) => text.normalize('NFKC').toLowerCase();
const fold = (name) => plain(name).replace(/\s+/g, '');

export class Names {
	ids = new Map();
	looks = new Map();

	see({ id, name, look }) {
		if (look) this.looks.set(name, look);
		for (const key of this.#keys(name)) this.ids.set(key, (this.ids.get(key) ?? new Set()).add(id));
	}

	shared(name) { return this.#keys(name).some((key) => this.ids.get(key)?.size > 1); }

	title({ id, name }) { return this.shared(name) ? `${name} #${tagOf(id)}` : name; }

	#keys(name) { return [fold(name), this.looks.get(name) ?? fold(name)]; }
}

const JOINED = /[\p{sc=Hangul}\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}]/u;
const WORD = '[\\p{L}\\p{N}_]';

export function caller(name) {
	const wanted = Array.from(plain(name).trim());
	const escaped = wanted.join('').replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
	const before = wanted.length < 2 ? '(?<=@)' : JOINED.test(wanted[0]) ? '' : `(?<!${WORD})`;
	const after = JOINED.test(wanted.at(-1)) ? '' : `(?!${WORD})`;
	const called = new RegExp(before + escaped + after, 'u');
	return (text) => called.test(plain(text));
}
