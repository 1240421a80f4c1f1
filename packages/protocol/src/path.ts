/** Rules for node paths (client-protocol.md §5.7), on UTF-16 units as the Java server has them. */

/** Why a path breaks the rules, as a phrase for a message; null when it keeps them. */
export function pathFault(path: string | null): string | null {
  if (path === null || path.length === 0) {
    return 'a path must not be empty';
  }
  if (path.charCodeAt(0) !== SLASH) {
    return 'a path must start with /';
  }
  const length = path.length;
  if (length === 1) {
    return null;
  }
  if (path.charCodeAt(length - 1) === SLASH) {
    return 'a path must not end with /';
  }
  let componentStart = 1;
  for (let i = 1; i <= length; i++) {
    const unit = i === length ? SLASH : path.charCodeAt(i);
    if (unit !== SLASH) {
      if (isForbiddenUnit(unit)) {
        return `the character U+${unit.toString(16).padStart(4, '0')} at index ${i} is not allowed`;
      }
      continue;
    }
    const componentLength = i - componentStart;
    if (componentLength === 0) {
      return `an empty component at index ${i}`;
    }
    if (path.charCodeAt(componentStart) === DOT) {
      if (componentLength === 1 || (componentLength === 2 && path.charCodeAt(componentStart + 1) === DOT)) {
        return `relative components (. and ..) are not allowed, index ${componentStart}`;
      }
    }
    componentStart = i + 1;
  }
  return null;
}

const SLASH = 0x2f;
const DOT = 0x2e;

function isForbiddenUnit(unit: number): boolean {
  return (
    unit <= 0x1f ||
    (unit >= 0x7f && unit <= 0x9f) ||
    (unit >= 0xd800 && unit <= 0xf8ff) ||
    (unit >= 0xfff0 && unit <= 0xffff)
  );
}

export function isValidPath(path: string | null): path is string {
  return pathFault(path) === null;
}

/**
 * The path before the last slash: "" for a top-level node, which is an alias of the root. The path must hold a slash;
 * any other one is for the caller to refuse.
 */
export function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** The last component. */
export function nodeName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Ten digits, zero padded; a negative number keeps its sign in front, as Java formats it. */
export function sequenceSuffix(counter: number): string {
  return counter < 0 ? `-${String(-counter).padStart(9, '0')}` : String(counter).padStart(10, '0');
}
