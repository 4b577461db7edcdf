// The message field. Enter sends, unless it ends a composition or bears a Shift.

import { say, setText } from './dom.js';

// KeyCode of keys that belong to the input method (Safari's last Enter).
const COMPOSING = 229;

export function composer(form, { store, draftKey, limit, onSend, onTyping }) {
	const [input] = form;
	const warning = form.lastElementChild;
	const excess = () => new TextEncoder().encode(input.value).length - limit;
	const changed = () => {
		const n = excess();
		if (!(warning.hidden = n <= 0)) setText(warning, say('too_long', { n }));
		input.style.height = 'auto';
		input.style.height = `${input.scrollHeight}px`;
		store.set(draftKey, input.value || null);
	};
	const send = (form.onsubmit = (event) => {
		event.preventDefault();
		const text = input.value;
		if (!text.trim() || excess() > 0) return;
		input.value = '';
		changed();
		onSend(text);
		input.focus();
	});
	input.onkeydown = (event) => {
		const { key, shiftKey, isComposing, keyCode } = event;
		if (key === 'Enter' && !shiftKey && !isComposing && keyCode !== COMPOSING) send(event);
	};
	input.oninput = () => {
		changed();
		if (input.value.trim()) onTyping();
	};
	input.value ||= store.get(draftKey);
	changed();
	// Until now the browser would send it, to nowhere.
	form[1].disabled = false;
}
