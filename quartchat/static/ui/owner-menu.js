// Each person has a button that opens a menu: to be muted, banned, or pardoned.

import { byId, el, say } from './dom.js';

const TIMES = { mute: [600, 3600, 86400], ban: [3600, 86400, 2592000] };
const NEXT = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
const DOTS = 'M4 10h.01M10 10h.01M16 10h.01';

export function moreButton(name) {
	const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
	const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
	svg.setAttribute('viewBox', '0 0 20 20');
	path.setAttribute('d', DOTS);
	svg.append(path);
	const label = say('more', { name: `\u2068${name}\u2069` });
	return el('button.more', { type: 'button', 'aria-haspopup': 'menu', 'aria-label': label, title: label }, svg);
}

export class Menu {
	list = byId('people-list');
	node = el('div', { id: 'sentence', role: 'menu', popover: 'auto' });

	constructor(room) {
		this.room = room;
		room.menu = this;
		byId('chat-log').parentNode.append(this.node);
		this.node.onkeydown = (event) => this.pressed(event);
		this.node.ontoggle = ({ newState }) => this.button?.setAttribute('aria-expanded', newState === 'open');
		// The list is made anew when somebody comes or goes. The one whose button had the focus has it again.
		this.watch = new MutationObserver(() => this.draw());
		this.watch.observe(this.list, { childList: true });
		this.focused = ({ target, relatedTarget }) => {
			if (this.list.contains(target)) this.last = target.closest('li')?.dataset.user;
			else if (target !== byId('chat-log') || relatedTarget) this.last = null;
		};
		document.addEventListener('focusin', this.focused);
	}

	draw() {
		const { room, list } = this;
		for (const row of list.querySelectorAll('[data-user]')) {
			const { user } = row.dataset;
			const mine = user === room.chat.me.id;
			const muted = room.held_back(user) === 'muted';
			const mark = row.querySelector('.muted');
			if (muted && !mark) row.querySelector('.tag').after(el('span.muted', {}, say('muted')));
			else if (!muted) mark?.remove();
			if (mine || row.querySelector('.more')) continue;
			const name = row.querySelector('.name').textContent;
			const button = moreButton(name);
			button.onclick = () => this.open({ id: user, name }, button);
			row.append(button);
			if (this.last === user && document.activeElement === byId('chat-log')) button.focus({ preventScroll: true });
		}
	}

	open(person, button) {
		const { node, room } = this;
		Object.assign(this, { person, button });
		const item = (label, fields, text = label) => el('button', { type: 'button', role: 'menuitem', tabindex: -1, 'aria-label': label, onclick: () => this.choose(fields) }, text);
		const groups = Object.entries(TIMES).map(([act, times]) => {
			const group = say(`${act}_for`);
			const items = times.map((seconds) => item(`${group} ${say(`for_${seconds}`)}`, { do: act, seconds }, say(`for_${seconds}`)));
			return el('div', { role: 'group', 'aria-label': group }, el('span', { 'aria-hidden': true }, group), ...items);
		});
		const pardon = room.held_back(person.id) ? [item(say('pardon'), { do: 'pardon' })] : [];
		node.replaceChildren(el('bdi.name', { 'aria-hidden': true }, person.name), ...groups, ...pardon);
		node.ariaLabel = person.name;
		node.showPopover();
		this.place();
		node.querySelector('button').focus();
	}

	place() {
		const { top, bottom, right } = this.button.getBoundingClientRect();
		const { offsetWidth: width, offsetHeight: height, style } = this.node;
		const below = bottom + 4 + height <= innerHeight - 8;
		style.top = `${Math.max(8, below ? bottom + 4 : top - 4 - height)}px`;
		style.left = `${Math.min(Math.max(8, right - width), innerWidth - width - 8)}px`;
	}

	async choose(fields) {
		const { person: { id, name } } = this;
		this.close();
		const done = await this.room.act({ ...fields, user: id, name });
		if (done) this.room.tell(say(`done_${fields.do}`, { name: `\u2068${name}\u2069`, time: fields.seconds ? say(`for_${fields.seconds}`) : '' }));
	}

	close() {
		this.node.hidePopover();
		const again = this.button.isConnected ? this.button : this.list.querySelector(`[data-user="${this.person.id}"] .more`);
		(again ?? byId('chat-log')).focus({ preventScroll: true });
	}

	pressed(event) {
		const { key } = event;
		const items = [...this.node.querySelectorAll('button')];
		const step = NEXT[key];
		if (key === 'Escape' || key === 'Tab') this.close();
		else if (step) items.at((items.indexOf(document.activeElement) + step) % items.length).focus();
		else if (key === 'Home') items[0].focus();
		else if (key === 'End') items.at(-1).focus();
		else return;
		event.stopPropagation();
		if (key !== 'Tab') event.preventDefault();
	}

	end() {
		this.watch.disconnect();
		document.removeEventListener('focusin', this.focused);
		for (const each of this.list.querySelectorAll('.more, .muted')) each.remove();
		this.node.remove();
	}
}
