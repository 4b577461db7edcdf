// The tools of who looks after a room. Loaded by its page for nobody else.

import { kept } from '../core/storage.js';
import { speak } from '../core/words.js';
import { byId, el, say } from './dom.js';
import { Menu } from './owner-menu.js';
import { Removal } from './owner-removal.js';
import { Settings } from './owner-settings.js';
import { claim, rule } from './rules.js';

const AGAIN = 5000;
const TOLD = 7000;
const WORDS = '/api/words/owner';
const store = kept(() => localStorage);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Nothing is shown before it has its looks.
const dressed = () => new Promise((done) => {
	const link = el('link', { rel: 'stylesheet', href: new URL('../owner.css', import.meta.url) });
	link.onload = link.onerror = done;
	document.head.append(link);
});

let room;

// `what` is "#owner=…" from the address, "#new" where one has just begun the room, or empty: what this browser holds.
export async function own(chat, path, held, what) {
	const brought = what.startsWith('#owner=') ? what.slice(7) : null;
	if (what === '#new') {
		if (store.get(held)) return;
		// Quietly: somebody else may own it.
		const claimed = await claim(path).catch(() => null);
		if (!claimed) return;
		store.set(held, claimed.owner);
	}
	// Nothing is lost by keeping it now: it may have to wait for a name, and that loads the page again.
	if (brought && !store.get(held)) store.set(held, brought);
	const link = brought ?? store.get(held);
	if (!link) return room?.end();
	room ??= new Owned(chat, path, held);
	while (!chat.me) await pause(200);
	const begun = await room.begin(link, brought ? 'became' : what === '#new' ? 'begun' : '');
	// One that does not count takes nothing from who holds one that does.
	if (!begun && brought && store.get(held)) await room.begin(store.get(held), '');
}

class Owned {
	rules = null;
	parts = [];
	acting = Promise.resolve();

	told = el('p', { id: 'told', role: 'status', onclick: () => { this.told.textContent = ''; } });

	constructor(chat, path, held) {
		Object.assign(this, { chat, path, held });
		// There before anything is said: else it would not be read out.
		byId('chat-log').parentNode.append(this.told);
	}

	async begin(link, welcome) {
		await this.learn();
		const rules = await this.look(link, welcome);
		if (!rules) return false;
		this.take(rules);
		if (!this.parts.length) this.parts = [new Menu(this), new Removal(this), new Settings(this)];
		this.draw();
		if (welcome) this.tell(say(welcome));
		return true;
	}

	// Until somebody answers: the broker may be away just now.
	async look(link, welcome) {
		for (;;) {
			try {
				return await rule(this.path, link, { do: 'look' });
			} catch ({ status }) {
				if (status === 403) return this.lose(link, welcome);
				if (status === 401) return null;
				await pause(AGAIN);
			}
		}
	}

	async learn() {
		while (!this.spoken) {
			const words = await fetch(WORDS, { signal: AbortSignal.timeout(10000) }).then((answer) => answer.ok && answer.json()).catch(() => null);
			if (!words) await pause(AGAIN);
			else if (!this.spoken) {
				this.spoken = true;
				speak({ ...JSON.parse(byId('words').textContent), ...words }, document.documentElement.lang);
				await dressed();
			}
		}
	}

	// Whether it was done; else it was said why not. One after the other: each answer says all that holds,
	// and one that was overtaken would bring back what held before.
	act(fields) {
		const done = this.acting.then(() => this.#act(fields));
		this.acting = done.catch(() => null);
		return done;
	}

	async #act(fields) {
		const link = store.get(this.held);
		if (this.chat.stopped) {
			this.tell(say('trouble_session'), true);
			return false;
		}
		try {
			this.take(await rule(this.path, link, fields));
		} catch ({ status }) {
			if (status === 403) this.lose(link, true);
			else this.tell(say({ 401: 'trouble_session', 409: 'trouble_full' }[status] ?? 'trouble_server'), true);
			return false;
		}
		this.draw();
		return true;
	}

	take(rules) {
		this.rules = rules;
		store.set(this.held, rules.owner);
	}

	lose(link, told) {
		// Another one may be held that counts.
		if (store.get(this.held) === link) {
			store.set(this.held, null);
			this.end();
		}
		if (told) this.tell(say('trouble_link'), true);
		return null;
	}

	end() {
		for (const part of this.parts) part.end();
		this.parts = [];
	}

	draw() { for (const part of this.parts) part.draw(); }

	held_back(id) {
		const now = Date.now() / 1000;
		return ['banned', 'muted'].find((what) => this.rules[what].some((each) => each.id === id && each.until > now));
	}

	// One line above the log; what went wrong stays until the next.
	tell(text, bad = false) {
		clearTimeout(this.hiding);
		this.told.textContent = text;
		this.told.classList.toggle('bad', bad);
		this.hiding = setTimeout(() => { this.told.textContent = ''; }, bad ? 3 * TOLD : TOLD);
	}
}
