// One small bar over the message that is pointed at, touched or reached by keys. It stands beside the log and not
// in it: nothing of it is read out with each message.

import { byId, el, say } from './dom.js';
import { moreButton } from './owner-menu.js';
import { twice } from './twice.js';

const ROWS = '.row[data-position]:not([data-deleted])';

export class Removal {
	log = byId('chat-log');
	bar = el('div', { id: 'removal', role: 'toolbar' });
	row = null;

	constructor(room) {
		this.room = room;
		this.main = this.log.parentNode;
		this.log.after(this.bar);
		const later = () => { this.due ??= requestAnimationFrame(() => (this.due = null, this.draw())); };
		this.watch = new MutationObserver(later);
		this.watch.observe(byId('chat-rows'), { childList: true, subtree: true, attributeFilter: ['data-position', 'data-deleted'] });
		this.size = new ResizeObserver(later);
		for (const each of [this.main, byId('chat-rows')]) this.size.observe(each);
		const { signal } = (this.listening = new AbortController());
		const hear = (node, name, act) => node.addEventListener(name, act, { signal, passive: true });
		hear(this.log, 'scroll', later);
		hear(this.main, 'pointerover', ({ target, pointerType }) => pointerType === 'mouse' && this.pointed(target));
		hear(this.main, 'pointerleave', ({ pointerType }) => pointerType === 'mouse' && this.show(false));
		hear(this.log, 'click', ({ target }) => this.pointed(target));
		hear(this.bar, 'focusin', () => this.show(true));
		// What is asked for anew takes the focus a moment later.
		hear(this.bar, 'focusout', () => setTimeout(() => this.show(false)));
		this.bar.onkeydown = (event) => this.pressed(event);
		this.draw();
	}

	get rows() { return [...this.log.querySelectorAll(ROWS)]; }

	get busy() { return this.bar.contains(document.activeElement); }

	// The newest one that is in sight, where none was chosen.
	get newest() {
		const { bottom } = this.log.getBoundingClientRect();
		return this.rows.findLast((row) => row.getBoundingClientRect().top < bottom - 8) ?? null;
	}

	pointed(target) {
		const { busy, bar } = this;
		if ('asking' in bar.dataset || bar.contains(target) || target.closest('a, button')) return;
		const row = target.closest(ROWS);
		if (row) this.choose(row);
		if (row && busy) bar.querySelector('button').focus({ preventScroll: true });
		this.show(Boolean(row));
	}

	show(shown) {
		if (!shown && this.busy) return;
		this.bar.classList.toggle('shown', shown);
		this.row?.classList.toggle('chosen', shown);
		if (!shown) this.asking?.back();
		else this.place();
	}

	choose(row) {
		if (row === this.row && this.bar.firstChild) return;
		this.row?.classList.remove('chosen');
		this.asking?.back();
		this.row = row;
		const { user } = row.dataset;
		const text = row.querySelector('.text').textContent;
		const name = row.querySelector('.name').textContent;
		const remove = el('button.remove', { type: 'button', 'aria-label': say('remove_this', { text: text.slice(0, 80), name }), onclick: () => this.ask() }, say('remove'));
		const parts = [remove];
		if (user !== this.room.chat.me.id) {
			const more = moreButton(name);
			more.tabIndex = -1;
			more.onclick = () => this.room.menu.open({ id: user, name }, more);
			parts.push(more);
		}
		this.bar.replaceChildren(...parts);
		this.bar.ariaLabel = say('message_of', { name });
	}

	ask() {
		const { row } = this;
		this.asking = twice(this.bar, say('remove_sure'), say('remove'), say('keep'), ({ detail }) => {
			this.asking = null;
			// By keys one goes on to the next; who points at it does so to another one.
			if (detail || !(this.step(1) || this.step(-1))) this.log.focus({ preventScroll: true });
			// Its text goes when the log says so.
			this.room.act({ do: 'delete', position: row.dataset.position });
		});
		this.place();
	}

	pressed(event) {
		const { key } = event;
		if (key === 'Escape' && this.asking) {
			this.asking.keep();
			this.asking = null;
			this.place();
		} else if (key === 'ArrowUp' || key === 'ArrowDown') this.step(key === 'ArrowUp' ? -1 : 1);
		else if (key === 'ArrowLeft' || key === 'ArrowRight') {
			const buttons = [...this.bar.querySelectorAll('button')];
			buttons.at((buttons.indexOf(document.activeElement) + (key === 'ArrowRight' ? 1 : -1)) % buttons.length).focus();
		} else return;
		event.preventDefault();
		event.stopPropagation();
	}

	step(by) {
		const { rows } = this;
		const row = rows[rows.indexOf(this.row) + by];
		if (!row) return false;
		this.choose(row);
		row.scrollIntoView({ block: 'nearest' });
		this.bar.querySelector('.remove').focus({ preventScroll: true });
		this.show(true);
		return true;
	}

	draw() {
		const { row, bar } = this;
		const shown = bar.classList.contains('shown');
		if (!row?.isConnected || 'deleted' in row.dataset || !shown) {
			const { newest, busy } = this;
			bar.hidden = !newest;
			if (newest) this.choose(newest);
			else this.row = null;
			if (busy) (bar.querySelector('button') ?? this.log).focus({ preventScroll: true });
		}
		const [{ top, bottom }, at] = [this.log, this.row ?? this.log].map((each) => each.getBoundingClientRect());
		if (shown && !this.busy && (at.bottom < top || at.top > bottom)) this.show(false);
		else if (shown) this.place();
	}

	place() {
		const { row, bar } = this;
		if (!row) return;
		row.classList.add('chosen');
		const main = this.main.getBoundingClientRect();
		const at = row.getBoundingClientRect();
		const top = Math.max(4, at.top - main.top - 14);
		bar.style.top = `${Math.min(top, main.height - bar.offsetHeight - 4)}px`;
		bar.style.right = `${Math.max(8, main.right - at.right) + 8}px`;
	}

	end() {
		this.watch.disconnect();
		this.size.disconnect();
		this.listening.abort();
		this.row?.classList.remove('chosen');
		this.bar.remove();
	}
}
