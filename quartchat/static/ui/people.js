// Who is here, who is typing, and who one is.

import { hueOf, tagOf } from '../core/presence.js';
import { say } from '../core/words.js';
import { el, setText } from './dom.js';
import { face, initialOf } from './row.js';

export class People {
  constructor({ chat, count, list, typing, self }) {
    Object.assign(this, { chat, count, list, typing, self });
    this.shown = '';
  }

  render() {
    const { presence, me, names, connection, clock } = this.chat;
    const live = connection.live;
    setText(this.count, live ? String(presence.count) : '–');
    this.count.closest('button').setAttribute('aria-label', live ? say('people', { count: presence.count }) : say('connecting'));
    const { people, others } = presence.roster(me);
    const shown = JSON.stringify([people.map((p) => [p.id, p.name, names.shared(p.name)]), others]);
    if (shown !== this.shown) {
      this.shown = shown;
      const rows = people.map((person) => this.person(person));
      if (others) rows.push(el('li', { class: 'others' }, say('others', { count: others })));
      this.list.replaceChildren(...rows);
    }
    this.list.classList.toggle('stale', !live);
    setText(this.typing, live ? sentence(presence.typists(clock.now(), me)) : '');
    this.renderSelf(me);
  }

  person(person) {
    const shared = this.chat.names.shared(person.name);
    const name = el('bdi', { class: 'name' }, person.name);
    const row = el('li', { class: `hue-${hueOf(person.id)}${shared ? ' shared-name' : ''}`, 'data-user': person.id });
    row.append(face(person), name, el('span', { class: 'tag' }, tagOf(person.id)));
    if (person.me) row.append(el('span', { class: 'you' }, say('you')));
    return row;
  }

  renderSelf(me) {
    if (!me || this.self.dataset.id === me.id + me.name) return;
    this.self.dataset.id = me.id + me.name;
    const mark = this.self.querySelector('.face');
    mark.className = `face hue-${hueOf(me.id)}`;
    mark.textContent = initialOf(me.name);
    this.self.querySelector('.name').textContent = me.name;
    const field = this.self.querySelector('input[name=name]');
    if (field && !field.value) field.value = me.name;
  }
}

function sentence(typists) {
  const [a, b] = typists.map(({ name }) => `\u2068${name}\u2069`); // isolated: a name cannot turn the line
  if (typists.length > 2) return say('typing_many');
  if (b) return say('typing_two', { a, b });
  return a ? say('typing_one', { a }) : '';
}
