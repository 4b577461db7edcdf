// Nothing while all is well. After two seconds without a connection a quiet line says so and counts
// down; it never disappears before the room's server has answered.

import { say } from '../core/words.js';
import { el, setHidden, setText } from './dom.js';

const PATIENCE = 2000;

export class Banner {
  constructor({ node, dot, chat, onStop }) {
    Object.assign(this, { node, dot, chat, onStop });
    this.shown = !node.hidden; // the server rendered it: its broker was away
    this.text = el('span', {});
    this.button = el('button', { type: 'button', class: 'link', onclick: () => this.press() });
    this.timer = setInterval(() => this.render(), 250);
    this.stopped = false;
  }

  press() {
    if (this.chat.stopped) location.reload();
    else this.chat.connection.hurry();
  }

  render() {
    const { state } = this.chat.connection;
    const down = this.chat.downSince === null ? null : this.chat.clock.now() - this.chat.downSince;
    if (state.name === 'idle') return;
    if (down === null && !this.chat.trouble) return this.show(null);
    if (state.name === 'stopped') {
      if (!this.stopped) this.onStop();
      this.stopped = true;
      return this.show('session_changed', {}, 'reload');
    }
    if (this.chat.trouble) return this.show('trouble');
    if (down < PATIENCE && !this.shown) return;
    if (state.name !== 'waiting') return this.show('connecting');
    const seconds = Math.max(1, Math.ceil((state.until - this.chat.clock.now()) / 1000));
    this.show('waiting', { seconds }, 'try_now');
  }

  show(key, values, action) {
    this.shown = key !== null;
    setHidden(this.node, key === null);
    setHidden(this.dot, key === null);
    if (key === null) return;
    if (this.text.parentNode !== this.node) this.node.replaceChildren(this.text, this.button);
    setText(this.text, say(key, values));
    setHidden(this.button, !action);
    if (action) setText(this.button, say(action));
  }
}
