// Who is here, who is typing, and who one is.

import { hueOf } from '../core/presence.js';
import { byId, el, say, setText } from './dom.js';
import { person } from './row.js';

const [count, list, typing, self] = ['people-count', 'people-list', 'typing', 'self'].map(byId);
let shown;

export function showPeople({ presence, me, names, connection: { live }, clock }) {
	setText(count, live ? `${presence.count}` : '–');
	count.parentNode.ariaLabel = live ? say('people', { n: presence.count }) : say('connecting');
	list.classList.toggle('stale', !live);
	setText(typing, live ? sentence(presence.typists(clock.now(), me).map((each) => names.title(each))) : '');
	const { people, others } = presence.roster(me);
	const now = JSON.stringify([people.map(({ id, name }) => [id, name, names.shared(name)]), others, me]);
	if (now === shown) return;
	shown = now;
	list.replaceChildren(...people.map((each) => {
		const shared = names.shared(each.name) ? '.shared-name' : '';
		const row = el(`li.hue-${hueOf(each.id)}${shared}`, { 'data-user': each.id }, ...person(each));
		if (each.me) row.append(el('span.you', {}, say('you')));
		return row;
	}));
	if (others) list.append(el('li.others', {}, say('others', { n: others })));
	if (!me) return;
	const [face, name] = person(me);
	self.querySelector('.face').replaceWith(face);
	self.querySelector('.name').replaceWith(name);
	byId('self-name').value ||= me.name;
}

function sentence(typists) {
	// Isolated: a name cannot turn the line.
	const [a, b] = typists.map((name) => `\u2068${name}\u2069`);
	return a ? say(typists.length > 2 ? 'typing_many' : b ? 'typing_two' : 'typing_one', { a, b }) : '';
}
