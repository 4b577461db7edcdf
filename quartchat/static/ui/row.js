// One row of the log: the same elements that room.html renders on the server.

import { hueOf, tagOf } from '../core/presence.js';
import { onlyEmoji, tokens } from '../core/text.js';
import { has, say } from '../core/words.js';
import { el, setHidden, setText } from './dom.js';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });
const date = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export const initialOf = (name) => (Array.from(name)[0] ?? '?').toUpperCase();

export function face(user) {
  return el('span', { class: `face hue-${hueOf(user.id)}`, 'aria-hidden': 'true' }, initialOf(user.name));
}

export function build(row, actions) {
  if (row.kind === 'day') return el('div', { class: 'divider day' }, el('span', {}, dayName(row.item.at)));
  if (row.kind === 'gap') return gap(row.item, actions);
  const { item } = row;
  const user = row.kind === 'pending' ? actions.me() : item.user;
  const at = new Date(item.at);
  const time = el('time', { datetime: at.toISOString(), title: full.format(at) }, clock.format(at));
  const who = el('div', { class: 'who' }, el('bdi', { class: 'name' }, user.name), el('span', { class: 'tag' }, tagOf(user.id)), time);
  const node = el('article', { class: `row hue-${hueOf(user.id)}`, 'data-id': item.id, 'data-user': user.id }, face(user), who, textOf(item.text));
  if (row.kind === 'entry') Object.assign(node.dataset, { position: item.position });
  return node;
}

// A row that the server rendered: local time and links are all it lacks.
export function adopt(node, item) {
  stamp(node, item);
  node.querySelector('.text').replaceWith(textOf(item.text));
}

// An own bubble that has become an entry: the server's time and place.
export function settle(node, item) {
  stamp(node, item);
  node.dataset.position = item.position;
}

function stamp(node, item) {
  const at = new Date(item.at);
  const time = node.querySelector('time');
  time.dateTime = item.time;
  time.title = full.format(at);
  setText(time, clock.format(at));
}

// What may change while the row stands there.
export function refresh(node, row, { log, me, names, newestOwn, actions }) {
  if (row.kind === 'gap') setHidden(node.querySelector('button'), !log.canFill(row.item));
  if (row.kind !== 'entry' && row.kind !== 'pending') return;
  const user = row.kind === 'pending' ? me : row.item.user;
  const mine = user.id === me?.id;
  const state = row.kind === 'pending' ? row.item.state : mine ? 'sent' : undefined;
  node.classList.toggle('opens', row.opens);
  node.classList.toggle('closes', row.closes);
  node.classList.toggle('mine', mine);
  node.classList.toggle('shared-name', names.shared(user.name));
  if (state && node.dataset.state !== state) node.dataset.state = state;
  node.dataset.id = row.item.id;
  status(node, row, state, row.item === newestOwn, actions);
}

function status(node, row, state, newest, actions) {
  let line = node.querySelector('.status');
  const wanted = state === 'failed' || state === 'sending' || (state === 'sent' && (newest || row.kind === 'pending'));
  if (!wanted) return line?.remove();
  const shown = `${state} ${row.item.failed ?? ''}`;
  if (line?.dataset.shown === shown) return;
  line?.remove();
  line = el('div', { class: 'status', 'data-shown': shown });
  if (state === 'failed') {
    const reason = `failed_${row.item.failed}`;
    line.append(el('span', { role: 'alert' }, say(has(reason) ? reason : 'failed')));
    if (row.item.failed) {
      line.append(el('button', { type: 'button', class: 'link retry', onclick: () => actions.retry(row.item.local) }, say('retry')));
      line.append(el('button', { type: 'button', class: 'link', onclick: () => actions.discard(row.item.local) }, say('discard')));
    }
  } else {
    line.append(say(state));
  }
  node.append(line);
}

function gap(item, actions) {
  const more = el('button', { type: 'button', class: 'link', onclick: () => actions.fill(item) }, say('gap_more'));
  return el('div', { class: 'divider gap', 'data-reason': item.gap }, el('span', {}, say('gap'), more));
}

function textOf(text) {
  const node = el('div', { class: onlyEmoji(text) ? 'text emoji' : 'text', dir: 'auto' });
  for (const token of tokens(text)) {
    if (token.href) node.append(el('a', { href: token.href, target: '_blank', rel: 'noopener nofollow ugc' }, token.text));
    else node.append(token.text);
  }
  return node;
}

function dayName(at) {
  const day = new Date(at).toDateString();
  if (day === new Date().toDateString()) return say('today');
  if (day === new Date(Date.now() - 86400000).toDateString()) return say('yesterday');
  return date.format(at);
}

