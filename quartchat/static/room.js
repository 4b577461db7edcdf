// The room page: puts the parts together.

import { Chat } from './core/chat.js';
import { newId, outboxPrefix } from './core/outbox.js';
import { caller } from './core/presence.js';
import { kept, remember } from './core/storage.js';
import { Unread } from './core/unread.js';
import { speak } from './core/words.js';
import { banner } from './ui/banner.js';
import { composer } from './ui/composer.js';
import { byId, keepingFocus } from './ui/dom.js';
import { bell, themeSwitch } from './ui/likes.js';
import { LogView } from './ui/log-view.js';
import { showPeople } from './ui/people.js';
import { identify, inherit, ME, nameForm, store, tabId } from './ui/session.js';

speak(JSON.parse(byId('words').textContent), document.documentElement.lang);
const page = byId('room');
const { room, meId, meName, position = null, messageBytes } = page.dataset;
const path = encodeURIComponent(room);
const { title } = document;
const now = Date.now;
const clock = { now, after: (ms, fn) => setTimeout(fn, ms), cancel: (id) => clearTimeout(id) };
const tab = await tabId(kept(() => sessionStorage));

const rendered = Array.from(byId('chat-rows').children, (row) => {
	const [name, time, message] = ['.name', 'time', '.text'].map((what) => row.querySelector(what));
	const { id, user, look, position: at, prev = null } = row.dataset;
	return { id, position: at, prev, user: { id: user, name: name.textContent, look }, message: message.textContent, time: time.dateTime, deleted: 'deleted' in row.dataset };
});

let drawing;
const chat = new Chat({
	room,
	tab,
	me: meId ? { id: meId, name: meName } : null,
	page: { messages: rendered, position },
	identify,
	socket: `${location.origin.replace(/^http/, 'ws')}/ws/chat/${path}/`,
	store,
	newId,
	clock,
	random: Math.random,
	WebSocket,
	onChange: draw,
	onMessage: () => {
		const entry = chat.log.items.at(-1);
		const mine = entry.user.id === chat.me.id;
		if (mine && entry.prev === null) own('#new');
		if (!document.hidden || mine || !called(entry.text)) return;
		// Unless another tab shows it meanwhile, or it is removed.
		setTimeout(() => entry.text && unread.missed(chat.log, entry) && ring(entry, chat.names.title(entry.user)), 1000);
	},
});
const ring = bell(store, room);
const unread = new Unread({ store, key: `quartchat:read:${path}`, now });
const log = new LogView({ chat, unread, called, api: `/api/rooms/${path}/messages` });
const form = byId('composer');
banner(chat, () => { for (const field of page.querySelectorAll('form *')) field.disabled = true; });

let name, mentions;
function called(text) {
	if (name !== chat.me?.name) mentions = caller((name = chat.me.name));
	return mentions?.(text);
}

function draw() {
	if (drawing) return;
	drawing = true;
	const later = document.hidden ? (fn) => setTimeout(fn, 200) : requestAnimationFrame;
	later(() => {
		drawing = false;
		if (chat.me) inherit(outboxPrefix(chat.me.id, room), tab, store, (key) => chat.write('adopt', key));
		unread.update(chat.log, chat.me, !document.hidden && log.atBottom && connection.live, chat.top === null);
		keepingFocus(() => (log.render(), showPeople(chat)));
		document.title = unread.count ? `(${unread.count}) ${title}` : title;
	});
}

// The tools of who looks after this room, for whom has its link, or has just begun it.
const held = `quartchat:owner:${path}`;
const own = (what) => import('./ui/owner.js').then((tools) => tools.own(chat, path, held, what), () => setTimeout(own, 5000, what));
(onhashchange = () => {
	const { hash, pathname } = location;
	history.replaceState(null, '', pathname);
	if (hash.includes('owner=') || store.get(held)) own(hash);
})();

const { connection } = chat;
ononline = () => (connection.hurry(), connection.nudge());
onstorage = ({ key, newValue }) => {
	if (key === ME && chat.me && newValue !== JSON.stringify(chat.me)) connection.drop(key);
	if (key === held) own('');
	if (key === unread.key) unread.heard(document.hidden);
	draw();
};
document.onvisibilitychange = () => {
	// A frame that was asked for does not come to a hidden page.
	drawing = false;
	if (document.hidden) unread.left();
	else connection.nudge();
	draw();
};

const toggle = byId('people-toggle');
const wide = matchMedia('(min-width: 1024px)');
const open = (shown) => {
	page.classList.toggle('people-turned', shown !== wide.matches);
	toggle.ariaExpanded = shown;
};
const close = () => {
	if (wide.matches) return;
	open(false);
	if (byId('people').contains(document.activeElement)) toggle.focus();
};
wide.onchange = () => open(wide.matches);
toggle.onclick = () => open(toggle.ariaExpanded !== 'true');
log.scroller.onclick = close;
onkeydown = ({ key }) => { if (key === 'Escape') close(); };
open(wide.matches);

const named = () => location.reload();
nameForm(byId('rename'), named, () => chat.me?.id);
themeSwitch();
remember(store, room);
draw();
log.scrolled();
if (form) {
	composer(form, {
		store,
		draftKey: `quartchat:draft:${path}`,
		limit: messageBytes,
		onSend: (text) => {
			chat.say(text);
			unread.left(true);
			log.toNewest();
		},
		onTyping: () => chat.typing(),
	});
	connection.start();
	if (matchMedia('(pointer: fine)').matches) byId('chat-message-input').focus();
} else if (byId('ask')) nameForm(byId('ask'), named);
