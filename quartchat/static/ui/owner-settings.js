// The room's settings in the panel of people: who may come in, invite links, who is held back, the owner link.

import { byId, el, say, setText } from './dom.js';
import { copy, linkField, linkTo } from './rules.js';
import { twice } from './twice.js';

const INVITES = [3600, 86400, 604800];
const MOST = 990; // ids; a closed room takes a thousand people
const LOOK_EVERY = 30000;
const { lang } = document.documentElement;
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;
const soon = new Intl.DateTimeFormat(locale, { timeStyle: 'short' });
const later = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', hour: 'numeric', minute: 'numeric' });

const button = (word, onclick, more = {}) => el('button', { type: 'button', onclick, ...more }, word);

function until(seconds) {
	const at = new Date(seconds * 1000);
	return (at.toDateString() === new Date().toDateString() ? soon : later).format(at).replaceAll(/\s/g, '\u00a0');
}

export class Settings {
	constructor(room) {
		this.room = room;
		this.state = el('span.state');
		this.summary = el('summary', {}, el('h2', {}, say('your_room')), this.state);
		this.access = el('p');
		this.gate = button('', () => this.turn());
		this.made = linkField(say('invite_link'), say('copy'), (done) => this.copied(done));
		this.made.node.hidden = true;
		this.invites = el('ul');
		this.sentences = el('ul');
		this.handed = linkField(say('owner_link'), say('copy'), (done) => this.copied(done));
		this.handed.node.hidden = true;
		this.links = el('div.choices', {}, button(say('hand_on'), () => this.hand()), button(say('renew'), () => this.renew()));
		const times = INVITES.map((seconds) => button(say(`for_${seconds}`), () => this.invite(seconds), { 'aria-label': `${say('invite_for')} ${say(`for_${seconds}`)}` }));
		this.node = el('details', { id: 'owner' }, this.summary,
			this.part('access', this.access, this.gate),
			this.part('invite_for', el('div.choices', {}, ...times), this.made.node, this.invites),
			this.part('held_back', this.sentences),
			this.part('owner_link', el('p', {}, say('owner_hint')), this.links, this.handed.node));
		byId('self').before(this.node);
		this.node.ontoggle = () => { if (this.node.open) this.room.act({ do: 'look' }); };
		this.timer = setInterval(() => this.draw(), LOOK_EVERY);
	}

	part(word, ...children) {
		const title = el('h3', {}, say(word));
		return el('section', {}, title, ...children);
	}

	draw() {
		const { rules } = this.room;
		const counts = ({ until: end }) => end > Date.now() / 1000;
		setText(this.state, rules.closed ? say('is_closed') : '');
		setText(this.access, say(rules.closed ? 'access_closed' : 'access_open'));
		setText(this.gate, say(rules.closed ? 'open' : 'close'));
		const invites = rules.invites.filter(counts);
		const held = ['banned', 'muted'].flatMap((what) => rules[what].filter(counts).map((each) => [what, each]));
		// Times of today are shown otherwise than those of tomorrow.
		const now = JSON.stringify([invites, held, new Date().toDateString()]);
		if (now !== this.listed) this.list(invites, held);
		this.listed = now;
	}

	list(invites, held) {
		const { activeElement: focused } = document;
		this.invites.replaceChildren(...invites.map((each) => this.shownInvite(each)));
		const lines = held.map(([what, each]) => this.shownSentence(what, each));
		this.sentences.replaceChildren(...(lines.length ? lines : [el('li.none', {}, say('nobody'))]));
		if (focused.isConnected) return;
		const again = [...this.node.querySelectorAll('li button')].find(({ ariaLabel }) => ariaLabel === focused.ariaLabel);
		(again ?? this.summary).focus();
	}

	shownInvite({ invite, until: end }) {
		const link = linkTo(this.room.path, 'invite', invite);
		const time = say('until', { time: until(end) });
		const take = async () => {
			this.shown(this.made, link);
			this.copied(await copy(link));
		};
		const part = (word, act) => button(say(word), act, { class: 'link', 'aria-label': `${say(word)}: ${say('invite_link')}, ${time}` });
		return el('li', {}, el('span', {}, time), part('copy', take), part('revoke', () => this.revoke(invite)));
	}

	shownSentence(what, { id, name, until: end }) {
		const line = el('span', {}, el('bdi', {}, name || '…'), el('small', {}, say(`${what}_until`, { time: until(end) })));
		return el('li', {}, line, button(say('pardon'), () => this.pardon(id, name), { class: 'link', 'aria-label': `${say('pardon')}: ${name}` }));
	}

	async turn() {
		const { room } = this;
		if (room.rules.closed) return (await room.act({ do: 'open' })) && room.tell(say('done_open'));
		const { chat, rules } = room;
		const banned = new Set(rules.banned.map(({ id }) => id));
		const writers = chat.log.items.filter(({ gap }) => !gap).map(({ user }) => user.id).reverse();
		const inside = [...new Set([...chat.presence.members.keys(), ...writers])].filter((id) => !banned.has(id));
		if (await room.act({ do: 'close', inside: inside.slice(0, MOST).join() })) room.tell(say('done_close'));
	}

	async invite(seconds) {
		const { room } = this;
		const before = new Set(room.rules.invites.map(({ invite }) => invite));
		if (!(await room.act({ do: 'invite', seconds }))) return;
		const made = room.rules.invites.find(({ invite }) => !before.has(invite));
		if (!made) return;
		this.shown(this.made, linkTo(room.path, 'invite', made.invite));
		this.copied(await copy(this.made.field.value));
	}

	async revoke(invite) {
		if (!(await this.room.act({ do: 'revoke', invite }))) return;
		if (this.made.field.value.endsWith(invite)) this.made.node.hidden = true;
		this.room.tell(say('done_revoke'));
	}

	async pardon(id, name) {
		if (await this.room.act({ do: 'pardon', user: id })) this.room.tell(say('done_pardon', { name: `\u2068${name}\u2069` }));
	}

	async hand() {
		this.shown(this.handed, linkTo(this.room.path, 'owner', this.room.rules.owner));
		this.copied(await copy(this.handed.field.value));
	}

	renew() {
		twice(this.links, say('renew_sure'), say('renew'), say('keep'), async () => {
			if (!(await this.room.act({ do: 'renew' }))) return;
			this.hand();
			this.links.querySelector('button').focus();
		});
	}

	shown({ node, field }, link) {
		field.value = link;
		node.hidden = false;
	}

	// Where the clipboard did not take it, it stands there to be copied by hand.
	copied(done) { this.room.tell(say(done ? 'copied' : 'copy_yourself')); }

	end() {
		clearInterval(this.timer);
		this.node.remove();
	}
}
