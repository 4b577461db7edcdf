// The log on the page: keyed rows, and the reader's place kept.

import { keyOf } from '../core/log.js';
import { portion, rowsOf, Window } from '../core/rows.js';
import { byId, say, setText } from './dom.js';
import { adopt, build, refresh } from './row.js';

// Px within which one reads the newest.
const BOTTOM = 48;
// Px from an end at which more is fetched.
const NEAR = 600;
const boxOf = (node) => node.getBoundingClientRect();

export class LogView {
	window = new Window();
	nodes = new Map();
	scroller = byId('chat-log');
	list = byId('chat-rows');
	newest = byId('newest');
	older = byId('older');

	constructor(parts) {
		Object.assign(this, parts);
		for (const node of this.list.children) {
			const key = keyOf(node.dataset.user, node.dataset.id);
			this.nodes.set(key, adopt(node, this.chat.log.byKey.get(key)));
		}
		this.scroller.onscroll = () => this.scrolled();
		this.scroller.onkeydown = ({ key }) => { if (key === 'End') this.toNewest(); };
		this.newest.onclick = () => this.toUnread();
		this.older.lastElementChild.onclick = () => this.load();
	}

	get atBottom() { return this.scroller.scrollTop > -BOTTOM; }

	render() {
		const { chat, window, nodes, unread } = this;
		const { items } = chat.log;
		if (!this.atBottom) window.hold(items);
		else if (!this.building && window.range(items).to === items.length) window.follow();
		const { from, to } = window.range(items);
		const all = rowsOf(items.slice(from, to), to === items.length ? chat.pending : [], chat.me, unread.away);
		this.newestOwn = all.findLast(({ kind, item }) => kind === 'entry' && item.user.id === chat.me?.id)?.item;
		const { top } = boxOf(this.scroller);
		// A day's separator stands above the first row, whichever that is: it holds no place.
		const built = ({ kind, key }) => kind !== 'day' && nodes.has(key);
		const read = (row) => built(row) && boxOf(nodes.get(row.key)).bottom > top;
		// To whoever follows it comes in its order: what is drawn stays.
		const at = window.follows ? all.findLastIndex(built) + 1 || all.length : all.findIndex(read);
		const rows = portion(all, Math.max(0, at), nodes);
		const anchor = nodes.get(all[at]?.key);
		// Its lower edge: the first row of a group loses its head to an older one.
		const place = anchor && boxOf(anchor).bottom;
		const wanted = new Set(rows.map(({ key }) => key));
		for (const [key, node] of nodes) if (!wanted.has(key) && nodes.delete(key)) node.remove();
		let next = this.list.firstElementChild;
		for (const row of rows) {
			const node = nodes.get(row.key) ?? build(row, chat);
			nodes.set(row.key, node);
			refresh(node, row, this);
			if (node === next) next = next.nextElementSibling;
			else this.list.insertBefore(node, next);
		}
		const slip = anchor && boxOf(anchor).bottom - place;
		// Only then: it would end a scrolling that is under way.
		if (slip) this.scroller.scrollTop += slip;
		this.margins(from === 0 && rows[0] === all[0]);
		const was = this.building;
		if ((this.building = rows.length < all.length)) chat.onChange();
		else if (was) this.scrolled();
	}

	margins(oldest) {
		const { chat: { log, connection }, window: { follows }, unread: { count }, failed } = this;
		this.newest.hidden = follows;
		this.scroller.ariaLive = follows ? 'polite' : 'off';
		setText(this.newest, `${count ? say('new', { n: count }) : say('newest')} ↓`);
		const empty = !this.list.firstElementChild;
		const [words, again] = this.older.children;
		this.older.hidden = !(empty ? connection.live : oldest && (log.complete || failed));
		setText(words, say(empty ? 'empty' : failed ? 'older_failed' : 'start'));
		again.hidden = !failed;
	}

	scrolled() {
		const { scrollTop, scrollHeight, clientHeight } = this.scroller;
		const { window, chat, chat: { log } } = this;
		let moved;
		if (this.building) return;
		if (scrollHeight - clientHeight + scrollTop < NEAR) {
			window.hold(log.items);
			moved = window.up(log.items);
			if (!moved && !log.complete && !this.failed) this.load();
		} else if (-scrollTop < NEAR) moved = window.down(log.items);
		// Until what moved in is drawn, its end is not the end of the log.
		if ((this.building = moved) || this.atBottom !== window.follows) chat.onChange();
	}

	toUnread() {
		const { unread, unread: { since }, chat: { log, me } } = this;
		const node = this.nodes.get(since?.first.key);
		if (!since || (node && boxOf(node).top < boxOf(this.newest).top)) return this.toNewest();
		unread.left();
		unread.update(log, me);
		// The divider becomes the first row.
		this.window.first = since.first;
		this.render();
		this.jump(-1e9);
	}

	toNewest() {
		this.window.follow();
		this.jump(0);
		this.chat.onChange();
	}

	jump(place) {
		const { style } = this.scroller;
		// What does not scroll ends a scrolling that is under way, which would go on from the new place.
		style.overflowY = 'hidden';
		this.scroller.scrollTop = place;
		style.overflowY = '';
	}

	async load() {
		const before = this.chat.log.oldest;
		if (this.loading || !before) return;
		this.loading = true;
		const answer = await fetch(`${this.api}?before=${encodeURIComponent(before.position)}&limit=100`)
			.then((response) => response.ok && response.json()).catch(() => null);
		this.loading = false;
		this.failed = !answer;
		if (answer && before === this.chat.log.oldest) this.chat.older(answer);
		this.chat.onChange();
		// Still near the end? go on.
		this.scrolled();
	}
}
