// A message as a tree of strings and {tag, kids, href?}, in linear time.

import { attempt } from './storage.js';

const FENCE = /```(?:[\w+-]*\n)?([^]*?)\n?```\n?/g;
const MARK = /`([^`]+)`|\bhttps?:\/\/[^\s<>"]+|\*+/giu;
const EMOJI = /^(?:(?:\p{RI}{2}|\p{ExtPict}(?:\ufe0f|\p{EMod})?(?:\u200d\p{ExtPict}(?:\ufe0f|\p{EMod})?)*)\s*){1,3}$/u;

export function parse(text) {
	const tree = [];
	let at = 0;
	for (const { 0: fence, 1: code, index } of text.matchAll(FENCE)) {
		if (!code.trim()) continue;
		if (index > at) lines(text.slice(at, index).replace(/\n$/, ''), tree);
		tree.push({ tag: 'pre', kids: [code] });
		at = index + fence.length;
	}
	if (at < text.length) lines(text.slice(at), tree);
	return tree;
}

function lines(text, tree) {
	let kids = null;
	text.split('\n').forEach((line, i) => {
		if (!line.startsWith('> ')) {
			if (i && !kids) add(tree, '\n');
			kids = null;
			return inline(line, tree);
		}
		if (kids) add(kids, '\n');
		else tree.push({ tag: 'blockquote', kids: (kids = []) });
		inline(line.slice(2), kids);
	});
}

function inline(line, tree) {
	const open = [{ kids: tree }];
	const put = (kid) => add(open.at(-1).kids, kid);
	const close = (tag) => {
		while (open.length > 1) {
			const last = open.pop();
			if (last.tag === tag) return put({ tag, kids: last.kids });
			for (const kid of [last.star, ...last.kids]) put(kid);
		}
	};
	let at = 0;
	const mark = new RegExp(MARK);
	for (let match; (match = mark.exec(line)); at = mark.lastIndex) {
		const { 0: found, 1: code, index } = match;
		put(line.slice(at, index));
		if (code) put({ tag: 'code', kids: [code] });
		else if (found[0] === '*') {
			const before = line[index - 1] ?? ' ';
			const after = line[mark.lastIndex] ?? ' ';
			const opens = /\S/.test(after) && !/\w/.test(before);
			const closes = /\S/.test(before) && !/\w/.test(after);
			for (const star of found.length > 3 ? [found] : split(found, open.at(-1).tag)) {
				const tag = { '*': 'em', '**': 'strong' }[star];
				const begun = open.some((each) => tag && each.tag === tag);
				if (begun && closes) close(tag);
				else if (tag && opens && !begun) open.push({ tag, star, kids: [] });
				else put(star);
			}
		} else {
			const address = trimmed(found);
			const { href } = attempt(() => new URL(address)) ?? {};
			put(href ? { tag: 'a', href, kids: [address] } : address);
			mark.lastIndex = index + address.length;
		}
	}
	put(line.slice(at));
	close();
}

const split = (stars, inner) => (stars.length < 3 ? [stars] : inner === 'em' ? ['*', '**'] : ['**', '*']);

function add(kids, kid) {
	if (typeof kid === 'string' && typeof kids.at(-1) === 'string') kids.push(kids.pop() + kid);
	else if (kid) kids.push(kid);
}

function trimmed(address) {
	let unopened = address.split(')').length - address.split('(').length;
	for (let end = address.length; ; end--) {
		const last = address[end - 1];
		if (last === ')' ? unopened-- <= 0 : !/[.,;:!?'"’”»…。、，！？*\]}]/.test(last)) return address.slice(0, end);
	}
}


export const onlyEmoji = (text) => text.length < 64 && EMOJI.test(text.trim());
