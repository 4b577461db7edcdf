// Something that is asked for once more, in the place of the buttons that asked for it.

import { el } from './dom.js';

export function twice(node, question, yes, no, act) {
	const before = [...node.childNodes];
	const button = (word, name, onclick) => el(`button.${name}`, { type: 'button', onclick }, word);
	const back = () => {
		if (node.dataset.asking === undefined) return;
		delete node.dataset.asking;
		node.replaceChildren(...before);
	};
	const keep = () => {
		back();
		node.querySelector('button').focus();
	};
	const sure = (event) => {
		// The second half of a double click was not meant for this one.
		if (event.detail > 1) return;
		back();
		act(event);
	};
	node.dataset.asking = '';
	node.replaceChildren(el('span', {}, question), button(yes, 'sure', sure), button(no, 'keep', keep));
	node.querySelector('.keep').focus();
	return { back, keep };
}
