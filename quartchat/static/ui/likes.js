// What somebody likes: colours, and to be told of one's name.

import { byId, say, setText } from './dom.js';

const all = ['auto', 'light', 'dark'];

export function themeSwitch() {
	const button = byId('theme');
	const { dataset } = document.documentElement;
	const show = (theme) => {
		dataset.theme = theme;
		button.title = button.ariaLabel = say(`theme_${theme}`);
	};
	show(dataset.theme ?? 'auto');
	button.hidden = false;
	button.onclick = () => {
		show(all[(all.indexOf(dataset.theme) + 1) % 3]);
		document.cookie = `quartchat_theme=${dataset.theme};path=/;SameSite=Lax;Max-Age=${dataset.theme === 'auto' ? 0 : 3e7}`;
	};
}

const KEY = 'quartchat:notify';

export function bell(store, room) {
	const button = byId('notify');
	if (!globalThis.Notification || !isSecureContext) return () => {};
	const on = () => Notification.permission === 'granted' && store.get(KEY) === true;
	const draw = () => {
		button.hidden = Notification.permission === 'denied';
		setText(button, say(on() ? 'notify_on' : 'notify'));
	};
	button.onclick = async () => {
		store.set(KEY, !on() && (await Notification.requestPermission()) === 'granted');
		draw();
	};
	draw();
	// Of the tabs that hear it the first one rings; phones want a worker for this, and throw.
	return ({ key, text }, name) => on() && navigator.locks.request(`quartchat:${key}`, { ifAvailable: true }, (first) => first && new Promise((done) => {
		setTimeout(done, 60000);
		const note = new Notification(room, { body: `${name}: ${text.slice(0, 200)}`, tag: key });
		note.onclick = () => (focus(), note.close());
	})).catch(() => {});
}
