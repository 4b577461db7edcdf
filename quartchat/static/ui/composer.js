// The message field: Enter sends, Shift+Enter breaks the line, and the Enter that ends a composition
// (Korean, Japanese, Chinese) does neither. Drafts outlive a reload.

import { say } from '../core/words.js';
import { setHidden, setText } from './dom.js';

const COMPOSING = 229; // keyCode of keys that belong to the input method (Safari's last Enter)

export class Composer {
  constructor({ form, draftKey, storage, limit, onSend, onTyping }) {
    Object.assign(this, { form, draftKey, storage, limit, onSend, onTyping });
    this.input = form.querySelector('#chat-message-input');
    this.warning = form.querySelector('.warning');
    this.button = form.querySelector('#chat-message-submit');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === COMPOSING) return;
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener('input', () => {
      this.fit();
      this.keep();
      if (this.input.value.trim()) onTyping();
    });
    try {
      this.input.value ||= storage.getItem(draftKey) ?? '';
    } catch {
      // No storage, no draft.
    }
    this.fit();
  }

  send() {
    const text = this.input.value;
    if (!text.trim() || this.excess() > 0 || this.closed) return;
    this.input.value = '';
    this.fit();
    this.keep();
    this.onSend(text);
    this.input.focus();
  }

  close() {
    this.closed = true;
    this.input.disabled = this.button.disabled = true;
  }

  excess() {
    return new TextEncoder().encode(this.input.value).length - this.limit();
  }

  fit() {
    const excess = this.excess();
    setText(this.warning, excess > 0 ? say('too_long', { bytes: excess }) : '');
    setHidden(this.warning, !(excess > 0));
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  keep() {
    try {
      if (this.input.value) this.storage.setItem(this.draftKey, this.input.value);
      else this.storage.removeItem(this.draftKey);
    } catch {
      // As above.
    }
  }
}
