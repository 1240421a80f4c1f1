/** The grammar of X.500 distinguished names, as far as telling valid ones from others needs it. */

/** Attribute types that Java knows by name; others must be given as object identifiers. */
const KNOWN_TYPE = new RegExp(
  '^(CN|C|L|S|ST|O|OU|T|IP|STREET|DC|DNQ|DNQUALIFIER|SURNAME|GIVENNAME|INITIALS|GENERATION' +
    '|EMAILADDRESS|UID|SERIALNUMBER)$',
  'i',
);
const OBJECT_IDENTIFIER = /^(OID\.)?([01](\.[1-3]?[0-9])|2(\.[0-9]+))(\.[0-9]+)*$/i;

// Sticky, each tried at one place only and without choices to go back on: names come from clients, at any length.
const TYPE = /\s*([a-z0-9.]+)\s*=\s*/iy;
const ESCAPE = String.raw`\\(?:[0-9a-f]{2}|[,=+<>#;"\\ ])`;
const QUOTED = new RegExp(String.raw`"(?:[^"\\]|${ESCAPE})*"\s*`, 'iy');
const HEX = /#(?:[0-9a-f]{2})+/iy;
const PLAIN = new RegExp(String.raw`(?:[^,+;<>"\\]|${ESCAPE})*`, 'iy');

/** What a request may hold by default; a pattern that repeats a choice some millions of times would end the process. */
const NAME_CHARACTERS_MAX = 0xfffff;

/**
 * Whether Java's X500Principal would take the text: pairs `type=value`, joined by commas or semicolons, or by plus
 * signs for several in one place. The empty name is valid.
 */
export function isDistinguishedName(text: string): boolean {
  if (text === '') {
    return true;
  }
  if (text.length > NAME_CHARACTERS_MAX) {
    return false;
  }
  for (let at = 0; ; at++) {
    const type = match(TYPE, text, at);
    if (type === null || !isAttributeType(type[1])) {
      return false;
    }
    at += type[0].length;
    const value = match(valuePattern(text[at]), text, at);
    if (value === null) {
      return false;
    }
    at += value[0].length;
    if (at === text.length) {
      return true;
    }
    if (!',;+'.includes(text[at])) {
      return false;
    }
  }
}

/** A value is quoted, or the hex of its encoding, or plain characters with the special ones escaped. */
function valuePattern(firstCharacter: string | undefined): RegExp {
  switch (firstCharacter) {
    case '"':
      return QUOTED;
    case '#':
      return HEX;
    default:
      return PLAIN;
  }
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function isAttributeType(type: string): boolean {
  return KNOWN_TYPE.test(type) || OBJECT_IDENTIFIER.test(type);
}
