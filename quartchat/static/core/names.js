// Whether a room's name can be one, as the server will see it: NFC, 1 to 64 characters, at most 200 bytes.

export const normal = (name) => name.normalize('NFC').trim();

// What shows nothing, or changes how its neighbours are shown; names.py has the whole list.
const REFUSED = /[/\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{DI}\u2800\ufffc\ufffd]|(?![ \u3000])\p{Zs}|^\p{M}/u;
// What some scripts need is the server's to judge: joiners, Mongolian's parted vowels, flags' hidden letters.
const LEFT = /(?<=\p{L}|\p{M})(?<!\p{sc=Latin})[\u200c\u200d\u180e]|(?<=\u{1f3f4})[\u{e0061}-\u{e007f}]+/gu;
const PICTURE = /\p{Emoji}[\ufe0f\u200d]+/gu;

export function problem(name) {
  if (!name) return 'room_empty';
  if (Array.from(name).length > 64 || new TextEncoder().encode(name).length > 200) return 'room_long';
  return name === '.' || name === '..' || REFUSED.test(name.replace(PICTURE, 'x').replace(LEFT, '')) ? 'room_characters' : null;
}
