// One row of the log, as room.html renders it.

import { onlyEmoji, parse } from '../core/markup.js';
import { hueOf, tagOf } from '../core/presence.js';
import { button, el, has, say, setText } from './dom.js';

const { lang } = document.documentElement;
const locale = navigator.languages.find((each) => each.startsWith(lang)) ?? lang;
const dates = (options) => new Intl.DateTimeFormat(locale, options);
const clock = dates({ timeStyle: 'short' });
const full = dates({ dateStyle: 'full', timeStyle: 'medium' });
const date = dates({ dateStyle: 'full' });
const nobody = { id: '', name: '…' };

export const person = ({ id, name }) => [
	el(`span.face.hue-${hueOf(id)}`, { 'aria-hidden': true }, Array.from(name)[0].toUpperCase()),
	el('bdi.name', {}, name),
	el('span.tag', {}, tagOf(id)),
];

const divider = (name, ...children) => el(`div.divider.${name}`, {}, el('span', {}, ...children));

export function build({ kind, item }, chat) {
	if (kind === 'day') return divider('day', dayName(item.at));
	if (kind === 'unread') return divider('away', say('away', item));
	if (kind === 'gap') return divider('gap', say('gap'), button(say('reload'), () => location.reload()));
	const user = item.user ?? chat.me ?? nobody;
	const [face, ...who] = person(user);
	const node = el(`article.row.hue-${hueOf(user.id)}`, { 'data-id': item.id, 'data-user': user.id }, face, el('div.who', {}, ...who, el('time')), el('div.text'));
	return adopt(node, item);
}

export function adopt(node, item) {
	stamp(node, item);
	const { text, deleted } = item;
	if (deleted) node.dataset.deleted = '';
	const emoji = onlyEmoji(text) ? '.emoji' : '';
	node.querySelector('.text').replaceWith(el(`div.text${emoji}`, { dir: 'auto' }, ...(deleted ? [say('deleted')] : parse(text).map(render))));
	return node;
}

function render(part) {
	if (!part.tag) return part;
	const { tag, href, kids } = part;
	return el(tag, href ? { href, target: '_blank', rel: 'noopener nofollow ugc' } : tag === 'pre' ? { tabindex: 0 } : {}, ...kids.map(render));
}

function stamp(node, { at, position }) {
	const time = node.querySelector('time');
	time.dateTime = new Date(at).toISOString();
	time.title = full.format(at);
	setText(time, clock.format(at));
	if (position) node.dataset.position = position;
}

export function refresh(node, { kind, item, opens, closes }, { chat, newestOwn, called }) {
	if (kind === 'day') setText(node.firstChild, dayName(item.at));
	// A divider.
	if (opens === undefined) return;
	const { id, name } = item.user ?? chat.me ?? nobody;
	const mine = id === chat.me?.id;
	const marks = { opens, closes, mine, 'shared-name': chat.names.shared(name), called: !mine && (item.called ??= called(item.text)) };
	for (const [mark, on] of Object.entries(marks)) node.classList.toggle(mark, Boolean(on));
	if (item.deleted && node.dataset.deleted !== '') adopt(node, item);
	if (item.position && node.dataset.position !== item.position) stamp(node, item);
	const state = item.state ?? (mine ? 'sent' : '');
	if (state && node.dataset.state !== state) node.dataset.state = state;
	status(node, item, state !== 'sent' || item.state || item === newestOwn ? state : '', chat);
}

function status(node, { local, failed }, state, chat) {
	const old = node.querySelector('.status');
	const shown = state && `${state} ${failed}`;
	if ((old?.dataset.shown ?? '') === shown) return;
	old?.remove();
	if (!state) return;
	const reason = has(`failed_${failed}`) ? `failed_${failed}` : 'failed';
	const line = el('div.status', { 'data-shown': shown }, state === 'failed' ? el('span', { role: 'alert' }, say(reason)) : say(state));
	if (failed) for (const verb of ['retry', 'discard']) line.append(button(say(verb), () => chat.write(verb, local)));
	node.append(line);
}

function dayName(at) {
	const days = [0, 86400000].map((ago) => new Date(Date.now() - ago).toDateString());
	const word = ['today', 'yesterday'][days.indexOf(new Date(at).toDateString())];
	return word ? say(word) : date.format(at);
}
