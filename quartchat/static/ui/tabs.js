// Each tab keeps an outbox of its own, so that two tabs never race over one message. A tab's id lives in
// sessionStorage (it survives a reload) and is held by a lock as long as the tab lives; whoever is in the
// same room takes over the outbox of a tab that is gone.
//
// Locks exist only in secure contexts. Without them (plain http on a home network) an outbox is taken
// over when a page opens; should its tab live after all, the server's ids keep that harmless.

import { newId } from '../core/ids.js';

const TAB = 'quartchat:tab';
const lockName = (tab) => `${TAB}:${tab}`;

// The id of this tab. A duplicated tab comes with a copy of the other's id and gets a new one.
export async function tabId(session, locks = navigator.locks) {
  let tab = null;
  try {
    tab = session.getItem(TAB);
  } catch {
    // No storage: an id for as long as the page lives.
  }
  if (!tab || !(await hold(lockName(tab), locks))) {
    tab = newId();
    await hold(lockName(tab), locks);
  }
  try {
    session.setItem(TAB, tab);
  } catch {
    // As above.
  }
  return tab;
}

// Calls take(key) for every outbox under the prefix whose tab is gone, now or later.
export function inherit({ prefix, own, storage, take, locks = navigator.locks }) {
  const seen = new Set([prefix + own]);
  const look = () => {
    for (const key of keysOf(storage)) {
      if (!key.startsWith(prefix) || seen.has(key)) continue;
      seen.add(key);
      if (!locks) take(key);
      else locks.request(lockName(key.slice(prefix.length)), () => take(key)).finally(() => seen.delete(key));
    }
  };
  look();
  if (locks) addEventListener('storage', look);
}

// Takes a lock for as long as the page lives; false where another page has it.
function hold(name, locks) {
  if (!locks) return true;
  return new Promise((resolve) => {
    const taken = locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
    taken.catch(() => resolve(true)); // forbidden here: as where there are none
  });
}

function keysOf(storage) {
  try {
    return Object.keys(storage);
  } catch {
    return [];
  }
}
