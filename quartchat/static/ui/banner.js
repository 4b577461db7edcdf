// Nothing while all is well; without a connection a quiet line and a countdown.

import { button, byId, el, has, keepingFocus, say, setText } from './dom.js';

const PATIENCE = 2000;

export function banner(chat, onStop) {
	const node = byId('connection');
	const text = el('span');
	const act = button('', () => (chat.stopped ? location.reload() : chat.connection.hurry()));
	const show = (key, action, values) => keepingFocus(() => {
		node.hidden = byId('dot').hidden = !key;
		if (!key) return;
		if (!text.parentNode) node.replaceChildren(text, act);
		setText(text, say(key, values));
		act.hidden = !action;
		if (action) setText(act, say(action));
	});
	const draw = () => {
		const { connection: { state: { name, code, reason, until } }, downSince, clock } = chat;
		const now = clock.now();
		if (name === 'idle') return;
		if (name === 'stopped') {
			onStop();
			show(code === 4401 ? 'session_changed' : has(reason) ? reason : 'stopped', 'reload');
		} else if (chat.trouble) show('trouble');
		else if (downSince === null) show('');
		else if (now - downSince < PATIENCE && node.hidden) return;
		else if (name === 'connecting') show('connecting');
		else show('waiting', 'try_now', { n: Math.max(1, Math.ceil((until - now) / 1000)) });
	};
	setInterval(draw, 250);
}
