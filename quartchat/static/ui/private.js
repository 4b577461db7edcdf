// A new room that nobody comes into without a link: begun, closed, and its first invite link shown.

import { byId, el, say } from './dom.js';
import { claim, heldAs, linkField, linkTo, rule } from './rules.js';
import { identify, store } from './session.js';

const OPEN_FOR = 604800;

export async function begin(form, room) {
	const path = encodeURIComponent(room);
	const field = byId('room-name-input');
	try {
		await identify();
		// Held already where something failed on the way.
		const owner = store.get(heldAs(path)) ?? (await claim(path)).owner;
		store.set(heldAs(path), owner);
		await rule(path, owner, { do: 'close' });
		const { invites } = await rule(path, owner, { do: 'invite', seconds: OPEN_FOR });
		document.querySelector('.lead').replaceChildren(el('bdi', {}, room));
		show(form, path, invites.at(-1).invite);
	} catch ({ status }) {
		if (status === 403) store.set(heldAs(path), null);
		field.setCustomValidity(say(status === 409 || status === 403 ? 'private_taken' : 'private_failed'));
		field.reportValidity();
	}
}

function show(form, path, invite) {
	const told = el('p.hint', { role: 'status' });
	const link = linkField(say('private_link'), say('copy'), (done) => { told.textContent = say(done ? 'copied' : 'copy_yourself'); });
	link.field.value = linkTo(path, 'invite', invite);
	const go = el('a.primary', { href: `/chat/${path}/` }, say('private_enter'));
	const ready = el('p', { tabindex: -1 }, say('private_ready'));
	form.replaceWith(el('div.card', { id: 'made' }, ready, link.node, told, go));
	ready.focus();
}
