// The lobby: one step from a name and a room to the room.

import { normal, problem } from './core/names.js';
import { say } from './core/words.js';
import { el } from './ui/dom.js';
import { recent } from './ui/recent.js';
import { nameForm } from './ui/session.js';

const form = document.getElementById('lobby');
const room = document.getElementById('room-name-input');
const name = document.getElementById('name-input');
const known = form.dataset.name ?? '';
const pathOf = (value) => `/chat/${encodeURIComponent(value)}/`;

room.addEventListener('input', () => room.setCustomValidity(''));
form.addEventListener('submit', (event) => {
  const wrong = problem(normal(room.value));
  // Who keeps the name, or goes as a guest, needs no new identity.
  const same = name.value.trim() === known;
  if (!wrong && !same) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!wrong) return enter();
  room.setCustomValidity(say(wrong));
  room.reportValidity();
});
nameForm(form, enter);

function enter() {
  location.assign(pathOf(normal(room.value)));
}

const rooms = recent(localStorage);
if (rooms.length) {
  const items = rooms.map((each) => el('li', {}, el('a', { href: pathOf(each) }, el('bdi', {}, each))));
  document.getElementById('recent-list').replaceChildren(...items);
  document.getElementById('recent').hidden = false;
}

// While the broker is away the page says so, and notices when it is back.
const banner = document.getElementById('connection');
const check = async () => {
  const ready = await fetch('/readyz').then((answer) => answer.ok, () => false);
  banner.hidden = ready;
  if (!ready) setTimeout(check, 3000 + Math.random() * 4000);
};
if (!banner.hidden) setTimeout(check, 2000);
