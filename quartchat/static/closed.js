// The page of a room that one may not be in: takes a link out of the address, and sends it.

import { kept } from './core/storage.js';
import { heldAs } from './ui/rules.js';

const form = document.getElementById('enter');
const { hash, pathname } = location;
const path = encodeURIComponent(document.body.dataset.room);
// Where there is no form yet, one logs in first, and this page comes again.
const later = kept(() => sessionStorage);
const waits = `quartchat:link:${path}`;
const [kind, brought] = hash ? hash.slice(1).split('=') : (later.get(waits) ?? []);
later.set(waits, form || !brought ? null : [kind, brought]);
if (hash) history.replaceState(null, '', pathname);
// A link that was put into the address of this page.
addEventListener('hashchange', () => location.reload());

if (form) {
	const { link, name } = form.elements;
	const refused = form.querySelector('.error');
	const owns = kept(() => localStorage).get(heldAs(path));
	const token = brought || (refused ? '' : owns) || '';
	link.value = token;
	// The room's page finds it again behind the address that the form leads to, and keeps it if it counts.
	if (token && (kind === 'owner' || !brought)) form.action += `#owner=${token}`;
	if (token && !refused) {
		// Nothing to look at, and nothing to change.
		link.labels[0].remove();
		link.type = 'hidden';
	}
	if (!token) link.focus();
	else if (name) name.focus();
	else if (!refused) form.requestSubmit();
}
