// The rooms that this browser was in last, newest first.

const KEY = 'quartchat:rooms';
const KEPT = 8;

export function recent(storage) {
  try {
    const rooms = JSON.parse(storage.getItem(KEY) ?? '[]');
    return Array.isArray(rooms) ? rooms.filter((room) => typeof room === 'string') : [];
  } catch {
    return [];
  }
}

export function remember(storage, room) {
  try {
    storage.setItem(KEY, JSON.stringify([room, ...recent(storage).filter((other) => other !== room)].slice(0, KEPT)));
  } catch {
    // No storage, no memory.
  }
}
