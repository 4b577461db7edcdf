// Who this browser is, which of its tabs this one, and how it asks the server for what changes something.

import { newId } from '../core/outbox.js';
import { kept } from '../core/storage.js';

export const ME = 'quartchat:me';
export const store = kept(() => localStorage);
const { locks } = navigator;

export async function ask(path, fields) {
	const response = await fetch(path, { method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams(fields), signal: AbortSignal.timeout(10000) });
	const { ok, status } = response;
	// A yes that breaks off (the page may be about to leave) is no answer.
	const answer = await response.json().catch(ok ? null : () => ({}));
	if (!ok) throw Object.assign(new Error(answer.error ?? status), { status });
	return answer;
}

async function post(name, as = '') {
	const answer = await ask('/session', { name, as });
	// Heard by the other tabs.
	store.set(ME, answer);
	return answer;
}

export const identify = () => (locks ? locks.request('quartchat:session', () => post('')) : post(''));

export function nameForm(form, done, as = () => form.elements.as?.value) {
	const field = form.elements.name;
	field.oninput = () => field.setCustomValidity('');
	form.onsubmit = async (event) => {
		event.preventDefault();
		try {
			await post(field.value, as());
		} catch (error) {
			field.setCustomValidity(error.message);
			return field.reportValidity();
		}
		done();
	};
}

const TAB = 'quartchat:tab';
const lockName = (tab) => `${TAB}:${tab}`;

export async function tabId(session) {
	let tab = session.get(TAB);
	if (!tab || !(await hold(tab))) {
		tab = newId();
		await hold(tab);
	}
	session.set(TAB, tab);
	return tab;
}

const seen = new Set();
export function inherit(prefix, own, store, take) {
	for (const key of store.keys()) {
		if (!key.startsWith(prefix) || key === prefix + own || seen.has(key)) continue;
		seen.add(key);
		if (!locks) take(key);
		else locks.request(lockName(key.slice(prefix.length)), () => take(key)).finally(() => seen.delete(key));
	}
}

function hold(tab) {
	return !locks || new Promise((resolve) => {
		locks.request(lockName(tab), { ifAvailable: true }, (lock) => {
			resolve(Boolean(lock));
			return lock && new Promise(() => {});
		}).catch(() => resolve(true));
	});
}
