// Elements without markup in strings: el('div.who', {title: 'x'}, ...children); and the words in them.

export { has, say } from '../core/words.js';

export function el(name, attributes = {}, ...children) {
	const [tag, ...classes] = name.split('.');
	const node = document.createElement(tag);
	if (classes.length) node.className = classes.join(' ');
	for (const [key, value] of Object.entries(attributes)) {
		if (key === 'onclick') node.onclick = value;
		else node.setAttribute(key, value);
	}
	node.append(...children);
	return node;
}

export const byId = (id) => document.getElementById(id);

export const button = (text, onclick) => el('button.link', { type: 'button', onclick }, text);

// What a change takes away hands its focus on to the log.
export function keepingFocus(change) {
	const focused = document.activeElement;
	change();
	if (!focused.checkVisibility()) byId('chat-log').focus({ preventScroll: true });
}

export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
