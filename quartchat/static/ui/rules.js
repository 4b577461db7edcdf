// What the owners of a room ask of the server, and the links that they pass on.

import { attempt } from '../core/storage.js';
import { el } from './dom.js';
import { ask } from './session.js';

export const heldAs = (path) => `quartchat:owner:${path}`;

// Who owns a room (`path`), and what an owner does there.
export const claim = (path) => ask(`/api/rooms/${path}/owner`, {});
export const rule = (path, owner, fields) => ask(`/api/rooms/${path}/rules`, { owner, ...fields });

// Behind the "#": browsers send it to nobody.
export const linkTo = (path, kind, token) => `${location.origin}/chat/${path}/#${kind}=${token}`;

// Whether the clipboard took it; without https there is none.
export async function copy(text) {
	const writing = attempt(() => navigator.clipboard.writeText(text));
	if (!writing) return false;
	return writing.then(() => true, () => false);
}

// A link that can be seen, selected and copied.
export function linkField(label, words, copied) {
	const field = el('input', { readonly: '', dir: 'ltr', spellcheck: 'false', 'aria-label': label });
	const take = async () => {
		field.select();
		copied(await copy(field.value), field);
	};
	const button = el('button', { type: 'button', onclick: take }, words);
	field.onfocus = () => field.select();
	return { node: el('span.pair.linked', {}, field, button), field, take };
}
