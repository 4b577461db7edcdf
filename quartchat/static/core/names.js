// Whether a room's name can be one, as the server will see it: NFC, 1 to 64 characters, at most 200 bytes.

export const normal = (name) => name.normalize('NFC').trim();

export function problem(name) {
  if (!name) return 'room_empty';
  if (Array.from(name).length > 64 || new TextEncoder().encode(name).length > 200) return 'room_long';
  if (/[/\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(name.replace(/\u200d/g, '')) || name === '.' || name === '..') return 'room_characters';
  return null;
}
