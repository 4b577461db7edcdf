// What is inside a message: marks and addresses, and whatever somebody may type instead.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onlyEmoji, parse } from '../../quartchat/static/core/markup.js';
import { seeded } from './world.js';

const SHORT = { strong: 'b', em: 'i', blockquote: 'quote', a: 'a' };
const show = (parts) => parts.map((part) => (part.tag ? `<${SHORT[part.tag] ?? part.tag}:${show(part.kids)}>` : part)).join('');
const shown = (text) => show(parse(text));
const plain = (parts) => parts.map((part) => (part.tag ? plain(part.kids) : part)).join('');
const every = (parts) => parts.flatMap((part) => (part.tag ? [part, ...every(part.kids)] : [part]));

for (const [text, wanted] of [
  ['**bold** and *soft*', '<b:bold> and <i:soft>'],
  ['**a *b* c**', '<b:a <i:b> c>'],
  ['***both***', '<b:<i:both>>'],
  ['**굵게**는 *기울임*은', '<b:굵게>는 <i:기울임>은'],
  ['2 * 3 * 4, 2*3*4, 2**3**4', '2 * 3 * 4, 2*3*4, 2**3**4'],
  ['*open **closed** text', '*open <b:closed> text'],
  ['**crossed *marks** here*', '<b:crossed *marks> here*'],
  ['* a list\n* of things', '* a list\n* of things'],
  ['**** ***** *', '**** ***** *'],
  ['*no\nline*', '*no\nline*'],
  ['`a*b*` and `` ` ``', '<code:a*b*> and `<code: > ``'],
  ['`not closed', '`not closed'],
  ['a\n```\nx = **1**\n  y\n```\nb', 'a<pre:x = **1**\n  y>b'],
  ['```js\nlet a;```', '<pre:let a;>'],
  ['```open', '```open'],
  ['``````', '``````'],
  ['> one\n> *two*\nthree', '<quote:one\n<i:two>>three'],
  ['>_< and > not', '>_< and > not'],
  ['a\n> b\n\nc', 'a<quote:b>\nc'],
  ['see https://example.org/a_(b). Yes', 'see <a:https://example.org/a_(b)>. Yes'],
  ['(http://x.kr/한글?q=1)', '(<a:http://x.kr/한글?q=1>)'],
  ['https://a.b https://c.d!', '<a:https://a.b> <a:https://c.d>!'],
  ['**https://a.b/c**', '<b:<a:https://a.b/c>>'],
  ['`https://a.b`', '<code:https://a.b>'],
]) test(`${JSON.stringify(text)} is read`, () => assert.equal(shown(text), wanted));

test('nothing but http and https becomes a link', () => {
  for (const text of ['javascript:alert(1)', 'data:text/html,x', 'https://', 'xhttps://a', '<img src=x onerror=alert(1)>', 'http://[::1', 'HTTPS://', '//a.b', 'http\u017f://a.b', 'vbscript:a', 'data:text/html,x', 'java\tscript:a', '&#106;avascript:a', 'ftp://a.b', 'file:///etc', '[a](javascript:b)']) {
    assert.deepEqual(parse(text), [text]);
  }
});

const HOSTILE = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '"><svg onload=alert(1)>', '**<b onclick=x>**', '`</code><script>`',
  '```</pre><script>alert(1)</script>```', '> <iframe src=javascript:1>', 'https://x.y/"onmouseover=alert(1)', 'https://x.y/<script>',
  'http://javascript:alert(1)@x.y', '[a](javascript:alert(1))', '**javascript:alert(1)**', '{{7*7}}', '&lt;script&gt;', '\u0000\u202e*a*',
];
test('hostile texts are text, in the few tags there are', () => {
  for (const text of HOSTILE) {
    for (const part of every(parse(text))) {
      if (!part.tag) continue;
      assert.ok(['strong', 'em', 'code', 'pre', 'blockquote', 'a'].includes(part.tag), text);
      assert.deepEqual(Object.keys(part).sort(), part.tag === 'a' ? ['href', 'kids', 'tag'] : ['kids', 'tag'], text);
      if (part.tag === 'a') assert.match(part.href, /^https?:\/\//, text);
    }
  }
});

const PIECES = ['*', '**', '***', '`', '```', '\n', '> ', ' ', 'a', '한', 'word', 'https://a.b/c', '.', ')', '(', '👍', '\u202e', '<b>', '"', '\ud800', '_', '[', '](x)'];
const MARKS = /[*`>\s]/g;

test('whatever is typed: nothing is thrown, and no word of it is lost, doubled or moved', () => {
  const random = seeded(11);
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: Math.floor(random() * 24) }, () => PIECES[Math.floor(random() * PIECES.length)]).join('');
    const tree = parse(text);
    const bare = text.replace(/```[\w+-]+\n(?=[^]*```)/g, '```\n'); // the name of a block's language is not shown
    const kept = plain(tree).replace(MARKS, '');
    if (!text.includes('```')) assert.equal(kept, text.replace(MARKS, ''), JSON.stringify(text));
    else assert.ok([text, bare].some((each) => each.replace(MARKS, '').includes(kept) || subsequence(kept, each)), JSON.stringify(text));
    for (const part of every(tree)) assert.notEqual(part, '', JSON.stringify(text));
  }
});

function subsequence(short, long) {
  let at = -1;
  return Array.from(short).every((c) => (at = long.indexOf(c, at + 1)) >= 0);
}

test('text without marks comes back as it was', () => {
  for (const text of ['a', ' ', 'a\nb\n', '\n\n', 'snake_case_name', 'it’s 5 > 3', '#1 @you ~x~', '한국어 방']) assert.deepEqual(parse(text), [text]);
  assert.deepEqual(parse(''), []);
});

test('the time grows with the length, whatever the text', () => {
  const SIZE = 200_000; // far beyond what a message may hold
  const long = (piece) => piece.repeat(SIZE / piece.length);
  const texts = ['*', '**', '*a ', '**a ', ' *a* ', '`', '``', '```', '```\n', '> ', '> \n', '\n', 'a', 'https://a.b ', '(', '*`', '**a*b ', '```a', '> *a', '👍'].map(long);
  texts.push(`https://a.b/${long(')')}`, `https://a.b/${long('(')}${long(')')}`, `https://${long('.')}`, `https://a/${long('.!')}`, `**${long('a')}`, `\`\`\`${long('a')}`, `${long('a ')}\`\`\``);
  for (const text of texts) {
    const begun = performance.now();
    parse(text);
    onlyEmoji(text);
    const took = performance.now() - begun;
    assert.ok(took < 2000, `${JSON.stringify(text.slice(0, 20))}: ${took} ms`);
  }
});

test('up to three emoji alone are known as such', () => {
  for (const text of ['👍', '👩‍👩‍👧 🎉', '🇰🇷', '❤️', '👍🏽👍🏿👍', ' 🎉 ']) assert.equal(onlyEmoji(text), true, text);
  for (const text of ['', ' ', 'ok 👍', '1', '가', '👍👍👍👍', '*']) assert.equal(onlyEmoji(text), false, text);
});
